/** One event of a stream of server-sent events (HTML Standard, section 9.2). */
export interface ServerSentEvent {
  /** The last id that the stream has named, also by an event without data. */
  readonly id: string
  /** Absent for an event without data, which only moves the id. */
  readonly data?: string
}

/** Parses server-sent events as their bytes come. Comments and fields other than `id` and `data` are skipped. */
export async function* serverSentEvents(source: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  const decoder = new TextDecoder()
  let text = ''
  let id = ''
  let data: string[] = []
  for await (const bytes of source) {
    text += decoder.decode(bytes, { stream: true })
    const lines = text.split(/\r\n|\n|\r(?!$)/)
    text = lines.pop() ?? ''
    for (const line of lines) {
      const [, name = '', value = ''] = /^([^:]*)(?:: ?([^]*))?$/.exec(line) ?? []
      if (line === '') {
        yield { id, ...(data.length === 0 ? {} : { data: data.join('\n') }) }
        data = []
      } else if (name === 'id' && !value.includes('\0')) id = value
      else if (name === 'data') data.push(value)
    }
  }
}
