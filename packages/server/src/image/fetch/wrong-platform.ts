import { machineArchitecture, type Platform } from '../manifest.ts'
import { ImageError } from './image-error.ts'

/** The error for an image that is built for other machines only. */
export function wrongPlatform(image: string, offered: readonly (Platform | undefined)[]): ImageError {
  const known = offered.filter((platform) => platform !== undefined && platform.os !== 'unknown')
  const names =
    [...new Set(known.map((platform) => `${platform?.os}/${platform?.architecture}`))].join(', ') || 'no known platform'
  return new ImageError({
    code: 'image-wrong-platform',
    message: `The image ${image} is made for ${names}; this platform runs linux/${machineArchitecture}.`,
    hint: `Build it for this platform, for instance with \`docker build --platform linux/${machineArchitecture}\`, and push it again.`,
  })
}
