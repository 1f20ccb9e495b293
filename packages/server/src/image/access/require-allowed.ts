import { InvalidRequest } from '../../job/invalid.ts'
import { isAllowed, notAllowedMessage, type ImagePolicy } from './allowed.ts'
import { parseReference, printReference } from '../../job/image-reference.ts'

/**
 * The reference in full, as a job keeps it.
 * @throws {InvalidRequest} where it is none, or the policy does not allow it.
 */
export function requireAllowed(image: string, policy: ImagePolicy): string {
  const reference = parseReference(image)
  if ('fault' in reference) throw new InvalidRequest('image', reference.fault, reference.hint)
  if (!isAllowed(reference, policy)) {
    const hint = 'Push the image to an allowed registry, or ask the operators to allow its registry.'
    throw new InvalidRequest('image', notAllowedMessage(image, policy), hint, 'image-not-allowed')
  }
  return printReference(reference)
}
