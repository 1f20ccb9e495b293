/** Whether this is `npm run e2e -- --all`: it includes the tests that repeat another suite's proof in other circumstances. */
export const all = process.env['E2E_ALL'] === '1'

/** For `skip` of a test: the reason, or false in a run with --all. */
export const onlyInAll = all ? false : 'npm run e2e -- --all runs it'
