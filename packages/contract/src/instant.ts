import Type from 'typebox'

/** An instant: RFC 3339 in UTC with milliseconds. */
export const Instant = Type.String({ format: 'date-time', examples: ['2026-11-23T08:37:45.120Z'] })
