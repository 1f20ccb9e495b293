import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A code block of the batch guide. */
export interface Example {
  readonly language: string
  readonly code: string
}

const document = fileURLToPath(new URL('../../../../shared/spec/batch-jobs.md', import.meta.url))

/** The code blocks of the batch guide, unchanged and in order. */
export const examplesOfGuide = (): Example[] =>
  [...readFileSync(document, 'utf8').matchAll(/^```(\w*)\n(.*?)^```/gms)].map(([, language = '', code = '']) => ({
    language,
    code,
  }))
