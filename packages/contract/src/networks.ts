/** Networks of a job: outbound connections only, no network, or the network of the machine. */
export const networks = ['isolated', 'none', 'host'] as const
/** One of {@link networks}. */
export type Network = (typeof networks)[number]
