/** The thread of a {@link QueueWorker}. */
import { parentPort } from 'node:worker_threads'
import { type FeedItem, Mirror } from './mirror.ts'

const mirror = new Mirror()
const port = parentPort
if (port === null) throw new Error('This file is the entry of a worker thread.')

port.on('message', (items: readonly FeedItem[]) => {
  for (const item of items) {
    const found = mirror.take(item)
    if (found !== undefined) port.postMessage(found)
  }
  port.postMessage('taken')
})
