// In a job with replicas, each replica takes its share of the frames. Outside of a job, the program takes all frames.
import { chunk, stripe } from '@science-platform/client'

const frames = Array.from({ length: 10 }, (_, index) => `frame-${index}.fits`)

// Replica 1 of 3 takes frames 0, 3, 6, 9.
for (const frame of stripe(frames)) console.log(`reduce ${frame}`)

// Replica 1 of 3 takes frames 0, 1, 2; the last replica also takes the remainder.
console.log(`stack ${chunk(frames).join(' ')}`)
