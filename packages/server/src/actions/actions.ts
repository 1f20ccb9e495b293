import { canceller, type Cancel } from './cancel.ts'
import { remover, type Remove } from './remove.ts'
import { renewer, type Renew } from './renew.ts'
import { submitter, type Submit, type SubmitDependencies } from './submit.ts'
import type { Store } from '../store/store.ts'

/** What may be done with jobs, whichever API it comes through. The loop and these alone write jobs. */
export interface Actions {
  readonly submit: Submit
  readonly cancel: Cancel
  readonly renew: Renew
  readonly remove: Remove
}

/** The methods of the store that write jobs: for {@link Actions} and the loop. */
export type JobWrites = 'submit' | 'step' | 'addEvents'

/** What {@link createActions} is built from. */
export interface ActionsDependencies extends SubmitDependencies {
  readonly store: Pick<Store, 'submit' | 'answeredBefore' | 'step' | 'job'>
}

/** Builds the {@link Actions}. */
export function createActions(dependencies: ActionsDependencies): Actions {
  const { store, now } = dependencies
  const cancel = canceller({ store, now })
  return {
    submit: submitter(dependencies),
    cancel,
    renew: renewer({ store, now }),
    remove: remover({ store, cancel, now }),
  }
}
