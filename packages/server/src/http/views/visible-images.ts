import type { Caller } from '../../access/authenticate.ts'
import { isAdministrator } from '../../access/may-touch.ts'
import { offeredImages, type OfferedImage } from '../../image/catalogue/offered-images.ts'
import type { Dependencies } from '../server/dependencies.ts'

/** The images that a caller may see, by reference. An image fetched with credentials is visible to users who have run or fetched it. */
export async function visibleImages(
  caller: Caller,
  { images, catalogue, pulls, store }: Pick<Dependencies, 'images' | 'catalogue' | 'pulls' | 'store'>,
): Promise<OfferedImage[]> {
  const account = caller.account.name
  const own = new Set((await store.imageUses({ account })).map(({ image }) => image))
  const mayKnow = (image: string): boolean =>
    isAdministrator(caller) || own.has(image) || pulls?.find(account, image)?.state === 'present'
  return offeredImages(await images.list(), catalogue.registries(), mayKnow)
}
