/** Labels with an image's types: words separated by commas or blanks. The first label that is present counts. */
const typeLabels = ['ca.nrc.cadc.skaha.type', 'net.canfar.type'] as const

/** The types of an image by its labels. Without a label it is `headless`, since any image runs commands. Pure. */
export function typesOf(labels: Readonly<Record<string, string>>): readonly string[] {
  const text = typeLabels.map((label) => labels[label]).find((value) => value !== undefined && value.trim() !== '')
  return orHeadless(text?.split(/[\s,]+/) ?? [])
}

/** Types in lower case, each once; `headless` where there is none. Pure. */
export function orHeadless(words: readonly string[]): readonly string[] {
  const types = new Set(words.map((word) => word.trim().toLowerCase()).filter((word) => word !== ''))
  return types.size === 0 ? ['headless'] : [...types]
}
