/** Maximum bytes of a body. An argument of 1 MiB still arrives, so that the error can name its field. */
export const bodyLimit = 1_310_720

/** Maximum bytes of the body of a batch of submissions. */
export const batchBodyLimit = 4 * 2 ** 20

/** Maximum bytes of a request line and headers. On the skaha wire the address carries cmd, args and env. */
export const headLimit = 1_310_720

/**
 * Bytes of a request line and headers that Node reads. It is more than {@link headLimit}, so that most oversized heads are
 * refused in the format of their part of the server.
 */
export const readHeadLimit = 2 * headLimit

/** Maximum characters of one path segment. */
export const pathPartLimit = 4096

/** Milliseconds in which a request must arrive, including its body. */
export const arrivalMs = 120_000

/** Milliseconds in which the head of a request must arrive. */
export const headArrivalMs = 60_000

/** Milliseconds between Node's checks for requests that exceed the arrival time. */
export const arrivalCheckMs = (arrival: number): number => Math.min(10_000, arrival / 4)
