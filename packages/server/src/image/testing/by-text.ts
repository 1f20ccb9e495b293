import { requireReference } from '../../job/image-reference.ts'
import type { LocalImages } from '../store/local-images.ts'

/** Images under the text of their references, as tests write them. */
export function byText(images: LocalImages) {
  return {
    prepare: (image: string, options: Parameters<LocalImages['prepare']>[1]) =>
      images.prepare(requireReference(image), options),
    resolve: (image: string, options: Parameters<LocalImages['resolve']>[1]) =>
      images.resolve(requireReference(image), options),
    describe: (image: string, options: Parameters<LocalImages['describe']>[1]) =>
      images.describe(requireReference(image), options),
    describeStored: (image: string) => images.describeStored(requireReference(image)),
    load: (archive: string, as: string, signal: AbortSignal) => images.load(archive, requireReference(as), { signal }),
    remove: (image: string) => images.remove(requireReference(image)),
    list: () => images.list(),
    bytesUsed: () => images.bytesUsed(),
  }
}
