import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import fc from 'fast-check'
import { joinWords, quoteWord, splitWords } from './shell-words.ts'

// Control characters are legal in words. NUL is not: no argument can hold it (execve(2)).
const word = fc.string({ unit: fc.constantFrom(...Array.from('ab \'"\\$`*?#;|&<>~!(){}[]\n\t\rä☉=')) })

const words = (line: string): readonly string[] => {
  const split = splitWords(line)
  assert.ok('words' in split, `${line} cannot be split: ${JSON.stringify(split)}`)
  return split.words
}

/** The words that a real shell makes of lines, in one process: each line is an `eval` of its own. */
function wordsOfBash(lines: readonly string[]): string[][] {
  const script = 'for line; do eval "set -- $line"; printf "%s\\0" "$#" "$@"; done'
  const printed = execFileSync('bash', ['--norc', '-c', script, 'bash', ...lines], {
    encoding: 'utf8',
    env: { LC_ALL: 'C.UTF-8', PATH: process.env['PATH'] ?? '' },
  }).split('\0')
  return lines.map(() => printed.splice(0, Number(printed.shift())))
}

test('plain words stay as they are, so that a server which splits at spaces reads the same words', () => {
  assert.equal(joinWords(['/a.py', '-n', '1', 'x=1,2', 'user@host:50%']), '/a.py -n 1 x=1,2 user@host:50%')
})

test('words are quoted where they must be', () => {
  assert.equal(quoteWord(''), "''")
  assert.equal(quoteWord('echo hi; ls'), "'echo hi; ls'")
  assert.equal(quoteWord("it's"), `'it'\\''s'`)
})

test('joined words split into the same words', () => {
  fc.assert(fc.property(fc.array(word), (list) => assert.deepEqual(words(joinWords(list)), list)))
})

test('bash reads joined words as the same words', () => {
  const lists = fc.sample(fc.array(word, { minLength: 1 }), 200)
  assert.deepEqual(wordsOfBash(lists.map(joinWords)), lists)
})

test('a line of quotes, backslashes and blanks splits as in bash', () => {
  const pieces = [
    'a',
    'é',
    ' ',
    '\t',
    "'",
    '"',
    '\\\\',
    "\\'",
    '\\"',
    '\\a',
    '\\n',
    '\\\n',
    "$'",
    '$"',
    '\\x41',
    '\\101',
    '\\u263a',
  ]
  const piece = fc.constantFrom(...pieces)
  const lines = fc
    .sample(fc.string({ unit: piece, maxLength: 12 }), 3_000)
    .filter((line) => 'words' in splitWords(line))
  assert.ok(lines.length > 500, `only ${lines.length} lines can be split`)
  assert.deepEqual(
    lines.map((line) => ({ line, words: words(line) })),
    wordsOfBash(lines).map((ofBash, index) => ({ line: lines[index], words: ofBash })),
  )
})

// A shell would expand or interpret these unquoted texts. Here they are plain text.
const hardCases: Readonly<Record<string, readonly string[]>> = {
  '': [],
  ' \t\r\n ': [],
  'python /arc/x.py': ['python', '/arc/x.py'],
  '  a   b\tc\nd\r\ne ': ['a', 'b', 'c', 'd', 'e'],
  "a $'b\\tc'": ['a', 'b\tc'],
  "$'it\\'s'": ["it's"],
  "$'\\u00e9\\xc3\\xa9\\303\\251\\U1F600'": ['ééé😀'],
  "$'\\q\\c?\\ca\\x'": ['\\q\u007f\u0001\\x'],
  '$"a b" "$\'c\'"': ['a b', "$'c'"],
  [`sh -c "echo \\"hi\\"; ls \\$HOME"`]: ['sh', '-c', 'echo "hi"; ls $HOME'],
  [`a'b c'"d e"f\\ g`]: ['ab cd ef g'],
  [`'' "" $'' a''b`]: ['', '', '', 'ab'],
  [`'a\\b' "a\\b" a\\b`]: ['a\\b', 'a\\b', 'ab'],
  'a\\\nb "c\\\nd" \\\n e': ['ab', 'cd', 'e'],
  "'a\\\nb'": ['a\\\nb'],
  'a\\': ['a\\'],
  '\\': ['\\'],
  'a # b #c': ['a', '#', 'b', '#c'],
  'echo $HOME ${x} $(id) `id` *.fits ~ {a,b} > out; ls && x | y !z': [
    'echo',
    '$HOME',
    '${x}',
    '$(id)',
    '`id`',
    '*.fits',
    '~',
    '{a,b}',
    '>',
    'out;',
    'ls',
    '&&',
    'x',
    '|',
    'y',
    '!z',
  ],
  '$ $$ a$': ['$', '$$', 'a$'],
  'a\u00a0b': ['a\u00a0b'],
}
for (const [line, expected] of Object.entries(hardCases))
  test(`splitting ${JSON.stringify(line)}`, () => {
    assert.deepEqual(words(line), expected)
  })

const faults: Readonly<Record<string, readonly [position: number, message: RegExp]>> = {
  "echo don't": [9, /^the quote ' at character 9 is not closed$/],
  '☉😀 "a \\"': [4, /^the quote " at character 4 is not closed$/],
  "a $'b\\'": [3, /^the quote \$' at character 3 is not closed$/],
  [`'a' "b' c`]: [5, /^the quote " at character 5/],
  "a $'b\\xff'": [6, /^the escape \\xff at character 6 stands for no UTF-8 text$/],
  "$'\\\\ud800 \\ud800'": [11, /^the escape \\ud800 at character 11/],
  "$'\\U110000'": [3, /^the escape \\U110000 at character 3/],
}
for (const [line, [position, message]] of Object.entries(faults))
  test(`no words in ${JSON.stringify(line)}`, () => {
    const split = splitWords(line)
    assert.ok('fault' in split)
    assert.equal(split.fault.position, position)
    assert.match(split.fault.message, message)
    assert.notEqual(split.fault.hint, '')
  })

test('a long line takes time in proportion to its length', () => {
  const long = `'${'a'.repeat(200_000)}' ${'\\"'.repeat(200_000)} "${'\\\\'.repeat(200_000)}"`
  assert.deepEqual(
    words(long).map(({ length }) => length),
    [200_000, 200_000, 200_000],
  )
  assert.ok('fault' in splitWords(`"${'\\"'.repeat(200_000)}`))
})
