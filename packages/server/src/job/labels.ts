import { limits } from '@science-platform/contract'
import { InvalidRequest, shown } from './invalid.ts'

/** Labels of a job, by key. */
export type Labels = Readonly<Record<string, string>>

/** A filter of jobs by a label. Without a value: any value. */
export interface LabelFilter {
  readonly key: string
  readonly value?: string
}

const keyPattern = new RegExp(`^[A-Za-z0-9._/-]{1,${limits.labelKeyLength}}$`)
const keyHint = `A key is 1 to ${limits.labelKeyLength} letters, digits, dots, underscores, slashes and hyphens.`

/** Checks the labels of a request. Pure. @throws {InvalidRequest} naming the label. */
export function checkLabels(labels: Labels): Labels {
  const entries = Object.entries(labels)
  if (entries.length > limits.labels)
    throw new InvalidRequest(
      'labels',
      `labels has ${entries.length} entries, at most ${limits.labels} are allowed`,
      'Use fewer labels, and read what is only shown from a file.',
    )
  for (const [key, value] of entries) {
    if (!keyPattern.test(key)) throw new InvalidRequest('labels', `labels has the key ${shown(key)}`, keyHint)
    const field = `labels.${key}`
    if (value.length > limits.labelValueLength)
      throw new InvalidRequest(
        field,
        `${field} has ${value.length} characters`,
        `Use at most ${limits.labelValueLength} characters.`,
      )
    if (/\p{Cc}/u.test(value) || !value.isWellFormed())
      throw new InvalidRequest(
        field,
        `${field} contains a control character: ${shown(value)}`,
        'Use printable characters, without line ends and tabs.',
      )
  }
  return labels
}

/** Reads `KEY=VALUE` or `KEY`; the first `=` ends the key. Pure. @throws {InvalidRequest} naming `label`. */
export function labelFilter(text: string): LabelFilter {
  const at = text.indexOf('=')
  const key = at < 0 ? text : text.slice(0, at)
  if (!keyPattern.test(key))
    throw new InvalidRequest('label', `label is ${shown(text)}`, `Write it as KEY=VALUE or KEY. ${keyHint}`)
  return at < 0 ? { key } : { key, value: text.slice(at + 1) }
}
