/** Labels, annotations and names of the objects that belong to an attempt. */

/** The label that selects the objects of one platform. */
export const instanceLabel = 'canfar.net/instance'
/** The label with the id of the attempt. */
export const attemptLabel = 'canfar.net/attempt'
/** The label with the identity of the database that has the attempt's record. */
export const identityLabel = 'canfar.net/identity'
/** What a record of the attempt needs beside the Job's own fields, as JSON: a server that adopts the attempt reads it. */
export const recordAnnotation = 'canfar.net/record'
/** The image as the user wrote it, for messages. */
export const imageAnnotation = 'canfar.net/image'
/** The labels of the job as JSON: never labels of the object, which select. */
export const labelsAnnotation = 'canfar.net/labels'
/** The name of the Secret that the Job owns, where it has one. */
export const secretAnnotation = 'canfar.net/secret'
/** Set when the platform stops the attempt: the grace period in seconds. */
export const stopAnnotation = 'canfar.net/stop'
/** Set when the platform ends an attempt whose command cannot start: the cause as JSON. */
export const causeAnnotation = 'canfar.net/cause'
/** Delays the deletion of Jobs and pods until the platform has stored how they ended. */
export const finalizer = 'canfar.net/ending'
/** The scheduling gate of each pod. The platform opens it for the first pod of an attempt alone. */
export const startGate = 'canfar.net/start'
/** Name of the container that runs the command. */
export const containerName = 'job'

/** The name of an attempt's Job. */
export const objectName = (instance: string, attemptId: string): string => `${instance}-${attemptId}`.toLowerCase()

/** Selects the objects of one platform. */
export const ownSelector = (instance: string): string => `${instanceLabel}=${instance}`
