import { parseReference, type ImageReference } from '../../job/image-reference.ts'
import { InvalidRequest } from '../../job/invalid.ts'
import { isAllowed, notAllowedMessage, type ImagePolicy } from './allowed.ts'

/**
 * Parses the image of a request.
 * @throws {InvalidRequest} where the text is not a reference, or the policy does not allow the image.
 */
export function requireAllowed(image: string, policy: ImagePolicy): ImageReference {
  const reference = parseReference(image)
  if ('fault' in reference) throw new InvalidRequest('image', reference.fault, reference.hint)
  if (!isAllowed(reference, policy)) {
    const hint = 'Push the image to an allowed registry, or ask the operators to allow its registry.'
    throw new InvalidRequest('image', notAllowedMessage(image, policy), hint, 'image-not-allowed')
  }
  return reference
}
