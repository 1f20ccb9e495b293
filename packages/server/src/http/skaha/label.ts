import { WireError } from './wire-error.ts'

/** The pattern of a Kubernetes label: on the reference server ids are labels. */
export const labelPattern = /^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$/

/** Refuses an id that cannot be a label, with the text of the reference server. @throws {WireError} */
export function checkLabel(id: string): void {
  if (id.length > 63) throw new WireError(400, 'canfar.net/id label value exceeds 63 characters')
  if (!labelPattern.test(id)) {
    throw new WireError(400, 'canfar.net/id label value must match Kubernetes label value syntax')
  }
}
