/** Loads every module of the server without starting it. `scripts/setup` runs it to fill the compile cache. */
await import('../packages/server/src/commands/serve.ts')
