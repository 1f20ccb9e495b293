/** Bytes of a body that are read. A word of 1 MiB still arrives, so that it can be refused by its name. */
export const bodyLimit = 1_310_720

/** Bytes of a request line and headers that are taken: cmd, args and env ride in the address on the skaha wire. */
export const headLimit = 1_310_720

/**
 * Bytes of a request line and headers that are read at all. More than {@link headLimit}, so that a head that is too large
 * is mostly still read and refused in the words of the part of the server that it was meant for.
 */
export const readHeadLimit = 2 * headLimit

/** Characters of one part of a path. */
export const pathPartLimit = 4096

/** How long a request may take to arrive, with its body. */
export const arrivalMs = 120_000

/** How long its head may take of that. */
export const headArrivalMs = 60_000

/** How often Node looks for requests that take too long to arrive, when they may take so long. */
export const arrivalCheckMs = (arrival: number): number => Math.min(10_000, arrival / 4)
