import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import fc from 'fast-check'
import { joinWords, quoteWord, splitWords } from './shell-words.ts'

// Control characters are legal in words too, but NUL cannot be in an argument at all (execve(2)).
const word = fc.string({ unit: fc.constantFrom(...Array.from('ab \'"\\$`*?#;|&<>~!(){}[]\n\tä=')) })

test('plain words stay as they are, so that a server which splits at spaces reads them too', () => {
  assert.equal(joinWords(['/a.py', '-n', '1', 'x=1,2', 'user@host:50%']), '/a.py -n 1 x=1,2 user@host:50%')
})

test('words are quoted where they must be', () => {
  assert.equal(quoteWord(''), "''")
  assert.equal(quoteWord('echo hi; ls'), "'echo hi; ls'")
  assert.equal(quoteWord("it's"), `'it'\\''s'`)
})

test('joined words split into the very same words', () => {
  fc.assert(fc.property(fc.array(word), (words) => assert.deepEqual(splitWords(joinWords(words)), words)))
})

test('a real shell reads the very same words', () => {
  const words = ['a b', "it's", '$HOME', '`id`', '*', '~', '#x', '', '\\', '"', 'line\nbreak', '!x', '{a,b}', '-n']
  const printed = execFileSync('/bin/sh', ['-c', `printf '%s\\0' ${joinWords(words)}`], { encoding: 'utf8' })
  assert.deepEqual(printed.split('\0').slice(0, -1), words)
})

test('splitting follows the quoting rules of the shell and nothing else of it', () => {
  assert.deepEqual(splitWords('python /arc/x.py'), ['python', '/arc/x.py'])
  assert.deepEqual(splitWords(`sh -c "echo \\"hi\\"; ls \\$HOME"`), ['sh', '-c', 'echo "hi"; ls $HOME'])
  assert.deepEqual(splitWords(`a'b c'"d e"f\\ g`), ['ab cd ef g'])
  assert.deepEqual(splitWords(`'' ""`), ['', ''])
  assert.deepEqual(splitWords('echo $HOME *.fits > out'), ['echo', '$HOME', '*.fits', '>', 'out'])
  assert.deepEqual(splitWords('  '), [])
  assert.equal(splitWords(`don't`), undefined)
})
