/** Loads every module of the server and starts nothing: `scripts/setup` runs it to have them compiled. */
await import('../packages/server/src/commands/serve.ts')
