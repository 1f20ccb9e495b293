export {
  joinWords,
  quoteWord,
  splitWords,
  type SplitFault,
  type SplitLine,
} from '@science-platform/contract/shell-words'
export { serverAddresses, type ServerAddresses } from './connection/addresses.ts'
export type { ConnectionOptions } from './connection/connection.ts'
export { fetchByEnvironment } from './connection/proxy.ts'
export { chunk, stripe, type Share } from './sessions/distributed.ts'
export { fullImageReference } from './sessions/image-reference.ts'
export { Images } from './platform/images.ts'
export {
  hasJobsApi,
  Jobs,
  type Abortable,
  type ChangesOptions,
  type JobsOptions,
  type ListedPage,
  type ListQuery,
  type LogOptions,
  type ReceivedChange,
} from './jobs/jobs.ts'
export type { OutputGap } from './jobs/job-log.ts'
export { ProblemError } from './connection/problem-error.ts'
export type { RegistryCredentials } from './connection/registry-auth.ts'
export { SessionError, SessionRequestError, type SessionOutcome } from './sessions/session-error.ts'
export { parseSessionEvents, type SessionEvent } from './sessions/session-events.ts'
export {
  sessionKinds,
  sessionStatuses,
  type SessionKind,
  type SessionRequest,
  type SessionStatus,
} from './sessions/session-request.ts'
export { nameMatcher, Session, type SessionOptions } from './sessions/session.ts'
export { Tokens } from './platform/tokens.ts'
export { UnreachableError } from './connection/unreachable-error.ts'
