import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readsStdin, remarksOn, shellSyntaxIn } from './command-remarks.ts'

const text = (cmd: string, args?: string) => shellSyntaxIn({ cmd, args, words: [] })
const words = (...all: string[]) => shellSyntaxIn({ words: all })

test('what only a shell understands is found in texts, outside of quotes that protect it', () => {
  assert.equal(text('python3 x.py > out.txt'), '>')
  assert.equal(text('python3 x.py 2>err'), '2>err')
  assert.equal(text('a && b'), '&&')
  assert.equal(text('a | b'), '|')
  assert.equal(text('cd x; ls'), 'x;')
  assert.equal(text('ls ~/data'), '~/data')
  assert.equal(text('python $HOME/x.py'), '$HOME')
  assert.equal(text('python "$HOME/x.py"'), '$HOME')
  assert.equal(text('python', '-o $(date)'), '$(')
  for (const fine of [
    'python3 x.py',
    "awk '{print $1 > 3}' file",
    `grep "a > b" file`,
    'echo \\$HOME \\> x',
    "echo 'a && b'",
    'python x.py --cut=a>b',
    "echo don\\'t",
  ])
    assert.equal(text(fine), undefined, fine)
})

test('of words after -- only what stands alone was meant for a shell', () => {
  assert.equal(words('python3', 'x.py', '>', 'out.txt'), '>')
  assert.equal(words('ls', '$HOME'), '$HOME')
  assert.equal(words('ls', '~/data'), '~/data')
  for (const fine of [
    ['awk', '{print $1}'],
    ['echo', 'a > b'],
    ['perl', '-e', '$x = 1; print $x'],
    ['find', '-'],
    ['x', '<a>'],
  ])
    assert.equal(words(...fine), undefined, fine.join(' '))
})

test('a shell gets everything', () => {
  assert.equal(words('sh', '-c', 'a && b > $HOME/x', '~'), undefined)
  assert.equal(text('/bin/bash -c "a && b > $HOME/x"'), undefined)
})

test('commands that read stdin', () => {
  for (const reading of [['python3', '-'], ['python3'], ['/usr/bin/bash', '-s', 'x'], ['tar', 'x', '-f', '-'], ['cat']])
    assert.ok(readsStdin({ words: reading }), reading.join(' '))
  for (const other of [['python3', 'x.py'], ['sh', '-c', 'x'], ['true'], []])
    assert.ok(!readsStdin({ words: other }), other.join(' '))
  assert.ok(readsStdin({ cmd: 'python3 -', words: [] }))
  assert.equal(remarksOn({ words: ['python3', '-'] }, true).length, 1)
  assert.equal(remarksOn({ words: ['python3', '-'] }, false).length, 0)
  assert.equal(remarksOn({ cmd: 'cat > x', words: [] }, true).length, 1)
})
