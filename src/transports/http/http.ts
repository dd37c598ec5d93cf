import { Elysia } from 'elysia'
import type { Door, DoorContext } from '../door.ts'

export function httpDoor(_context: DoorContext): Door {
  return { routes: new Elysia(), close: () => Promise.resolve() }
}
