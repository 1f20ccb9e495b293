/** Exit codes of `canfar`. `docs/cli.md` has the same table; a test compares the two. */
export const exitCodes = {
  ok: { code: 0, meaning: 'done' },
  failure: { code: 1, meaning: 'something failed: the server, the machine or the configuration' },
  usage: { code: 2, meaning: 'the command line is wrong' },
  notFound: { code: 3, meaning: 'the job, server or setting does not exist' },
  unauthorized: { code: 4, meaning: 'not logged in, or the token does not allow the request' },
  unreachable: { code: 5, meaning: 'no server answered' },
  refused: { code: 6, meaning: 'the server refused the request as invalid' },
  noExitCode: { code: 70, meaning: 'wait, create --wait: the job failed without an exit code' },
  incomplete: { code: 74, meaning: 'logs, create --follow: bytes of the output are missing' },
  interrupted: { code: 130, meaning: 'interrupted with Ctrl-C' },
  cancelled: { code: 143, meaning: 'wait, create --wait: the job was cancelled' },
} as const

/** The name of an exit code. */
export type ExitReason = keyof typeof exitCodes

/** The text of `canfar help exit-codes`. */
export function exitCodesHelp(): string {
  const rows = Object.values(exitCodes).map(({ code, meaning }) => `  ${String(code).padStart(3)}  ${meaning}`)
  return [
    'Exit codes of canfar:',
    '',
    ...rows,
    '',
    'wait and create --wait exit with the code of the job itself: 0 when it',
    'succeeded, 1 to 255 when it failed (128 + N after signal N), 143 when it was',
    'cancelled, 70 when it failed without an exit code (the image could not be',
    'fetched, the machine was lost). With several jobs it is the first code that is',
    'not 0, in the order of the ids. create --follow exits with 74 where the job',
    'succeeded and bytes of its output are missing.',
  ].join('\n')
}
