export {
  joinWords,
  quoteWord,
  splitWords,
  type SplitFault,
  type SplitLine,
} from '@science-platform/contract/shell-words'
export { serverAddresses, type ServerAddresses } from './addresses.ts'
export type { ConnectionOptions } from './connection.ts'
export { chunk, stripe, type Share } from './distributed.ts'
export { fullImageReference } from './image-reference.ts'
export { Images } from './images.ts'
export { hasJobsApi, Jobs, type Abortable, type JobsOptions, type LogOptions } from './jobs.ts'
export { ProblemError } from './problem-error.ts'
export type { RegistryCredentials } from './registry-auth.ts'
export { SessionError, SessionRequestError, type SessionOutcome } from './session-error.ts'
export { parseSessionEvents, type SessionEvent } from './session-events.ts'
export {
  sessionKinds,
  sessionStatuses,
  type SessionKind,
  type SessionRequest,
  type SessionStatus,
} from './session-request.ts'
export { nameMatcher, Session, type SessionOptions } from './session.ts'
export { Tokens } from './tokens.ts'
export { UnreachableError } from './unreachable-error.ts'
