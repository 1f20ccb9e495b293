/** The output of progress: standard error, or a stand-in. */
export interface ProgressStream {
  readonly isTTY?: boolean
  write(text: string): unknown
}

/** Shows the current step of a command. */
export interface Progress {
  show(step: string): void
  /** Removes the last step from a terminal. */
  end(): void
}

/** Shows steps: on a terminal one updated line with the seconds of the step, otherwise one line per step. */
export function createProgress(stream: ProgressStream = process.stderr): Progress {
  if (stream.isTTY !== true) return { show: (step) => void stream.write(`${step}\n`), end: () => undefined }
  let timer: NodeJS.Timeout | undefined
  const draw = (text: string): void => void stream.write(`\r\u001b[K${text}`)
  return {
    show: (step) => {
      clearInterval(timer)
      const startedAt = performance.now()
      draw(`${step} …`)
      timer = setInterval(() => {
        draw(`${step} … ${Math.floor((performance.now() - startedAt) / 1000)} s`)
      }, 1000)
    },
    end: () => {
      if (timer === undefined) return
      clearInterval(timer)
      timer = undefined
      draw('')
    },
  }
}
