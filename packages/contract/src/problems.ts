/** Problem types of `/api/v1` (RFC 9457). `docs/problems.md` explains them; a test compares the two. */
export const problems = {
  'invalid-request': { status: 400, title: 'The request does not fit the schema' },
  'image-not-allowed': { status: 400, title: 'The image does not come from an allowed registry' },
  'never-fits': { status: 400, title: 'This job could never start' },
  unauthenticated: { status: 401, title: 'A valid token is needed' },
  forbidden: { status: 403, title: 'The token does not allow this' },
  'not-found': { status: 404, title: 'The object does not exist' },
  'image-unauthorized': {
    status: 403,
    title: 'The registry refuses the image without the right credentials',
  },
  'image-not-found': { status: 404, title: 'The image does not exist' },
  'job-not-found': { status: 404, title: 'The job does not exist' },
  'method-not-allowed': { status: 405, title: 'This address does not take this method' },
  conflict: { status: 409, title: 'The request conflicts with what exists' },
  'idempotency-conflict': { status: 409, title: 'The Idempotency-Key was used for another request' },
  'illegal-transition': { status: 409, title: 'The job is in a state that does not allow this' },
  'files-not-visible': { status: 409, title: 'The server does not see the files of its users' },
  'cursor-too-old': { status: 410, title: 'The change log no longer has this place' },
  'range-not-satisfiable': { status: 416, title: 'The log has no such range' },
  'request-timeout': { status: 408, title: 'The request took too long to arrive' },
  'too-large': { status: 413, title: 'The request is too large' },
  'address-too-long': { status: 414, title: 'The address is too long' },
  'headers-too-large': { status: 431, title: 'The headers are too large' },
  'unsupported-media-type': { status: 415, title: 'The body is not JSON' },
  'image-invalid': { status: 422, title: 'The image cannot be used' },
  'registry-unavailable': { status: 424, title: 'The registry is unavailable' },
  'too-many-requests': { status: 429, title: 'Too many requests' },
  'queue-full': { status: 429, title: 'The queue accepts no more jobs now' },
  internal: { status: 500, title: 'The server failed' },
  'answer-unavailable': { status: 503, title: 'The answer could not be found this time' },
  'disk-full': { status: 507, title: 'The server has no disk space for this' },
} as const satisfies Record<string, { readonly status: number; readonly title: string }>

/** The name of a problem; its type URI is `urn:science-platform:problem:NAME`. */
export type ProblemType = keyof typeof problems

/** The type URI of a problem (RFC 9457, section 3.1.1). */
export const problemUri = (type: ProblemType): string => `urn:science-platform:problem:${type}`
