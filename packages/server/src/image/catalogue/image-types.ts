/** Labels of an image that say what it is made for: one word, or several separated by commas or blanks. The first that is there counts. */
const typeLabels = ['ca.nrc.cadc.skaha.type', 'net.canfar.type'] as const

/** What an image is made for, by its labels. One that does not say runs commands, as any image does. Pure. */
export function typesOf(labels: Readonly<Record<string, string>>): readonly string[] {
  const text = typeLabels.map((label) => labels[label]).find((value) => value !== undefined && value.trim() !== '')
  return orHeadless(text?.split(/[\s,]+/) ?? [])
}

/** Words that say types, in lower case and each once. Pure. */
export function orHeadless(words: readonly string[]): readonly string[] {
  const types = new Set(words.map((word) => word.trim().toLowerCase()).filter((word) => word !== ''))
  return types.size === 0 ? ['headless'] : [...types]
}
