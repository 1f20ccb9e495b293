/** How a job's network looks: outbound only, nothing at all, or the machine's own. */
export const networks = ['isolated', 'none', 'host'] as const
/** One of {@link networks}. */
export type Network = (typeof networks)[number]
