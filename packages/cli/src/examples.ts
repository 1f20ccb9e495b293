/** The end of a command's help: command lines that work as they stand. For `addHelpText`. */
export const examples = (...lines: readonly string[]): ['after', string] => [
  'after',
  ['', lines.length === 1 ? 'Example:' : 'Examples:', ...lines.map((line) => `  ${line}`)].join('\n'),
]
