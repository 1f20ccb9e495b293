import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FileList } from '@science-platform/contract'
import { lookAtWorkingDirectory, workingDirectoryRemark } from './working-directory-remark.ts'

type SeenType = FileList['files'][number]['type']
const seen = (type: SeenType): FileList['files'] => [
  { path: '/arc/x', type, sizeBytes: 1, modifiedAt: '2026-11-30T00:00:00.000Z' },
]
const never = new AbortController().signal

test('a working directory that is no folder has a remark', () => {
  assert.equal(workingDirectoryRemark('/arc/x', seen('folder')), undefined)
  const messages: readonly (readonly [FileList['files'], RegExp])[] = [
    [[], /^there is no folder \/arc\/x that you can see now;/],
    [seen('broken-link'), /^there is no folder/],
    [seen('closed-folder'), /^you may not enter the folder \/arc\/x now/],
    [seen('file'), /^\/arc\/x is no folder now/],
    [seen('other'), /^\/arc\/x is no folder now/],
  ]
  for (const [files, message] of messages) assert.match(workingDirectoryRemark('/arc/x', files)?.message ?? '', message)
})

test('a look asks for the path itself, and says nothing where the server does not answer', async () => {
  const asked: string[] = []
  const answering = {
    files: async ({ glob }: { glob: string }): Promise<FileList> => {
      asked.push(glob)
      return { files: [], unreadable: 0, unnamed: 0 }
    },
  }
  assert.ok(await lookAtWorkingDirectory(answering, '/arc/home/ada/a*b?[c]\\d', never))
  assert.equal(await lookAtWorkingDirectory(answering, '/scratch/x', never), undefined)
  assert.deepEqual(asked, ['/arc/home/ada/a\\*b\\?\\[c]\\\\d'])
  const failing = { files: () => Promise.reject(new Error('404')) }
  assert.equal(await lookAtWorkingDirectory(failing, '/arc/x', never), undefined)
})
