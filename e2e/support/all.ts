/** Whether this is `npm run e2e -- --all`: it includes the tests that repeat another suite's proof in other circumstances. */
export const all = process.env['E2E_ALL'] === '1'

/** For a test's `skip`: why it is left out, or false in a run of all. */
export const onlyInAll = all ? false : 'npm run e2e -- --all runs it'
