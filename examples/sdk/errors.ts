// The errors of the SDK, and their fields.
import { Jobs, ProblemError, Session, SessionError, UnreachableError } from '@science-platform/client'

const connection = { url: process.env['CANFAR_URL'] ?? '', token: process.env['CANFAR_TOKEN'] ?? '' }

try {
  await new Jobs(connection).submit({ name: 'bad_name', image: 'localhost/x:1' })
} catch (error) {
  if (error instanceof ProblemError)
    console.log(`${error.type} in ${error.field}: ${error.message} ${error.hint ?? ''}`)
  else if (error instanceof UnreachableError) console.log(`try again later: ${error.message}`)
  else throw error
}

try {
  await new Session(connection).create({ name: 'study', image: 'skaha/astroml', replicas: 3 })
} catch (error) {
  if (!(error instanceof SessionError)) throw error
  for (const outcome of error.outcomes)
    console.log(
      outcome.ok ? `${outcome.target} is ${outcome.value}` : `${outcome.target} failed: ${String(outcome.error)}`,
    )
}
