import { type Identity, requireScope } from '../../auth/identity.ts'
import { BrokerError } from '../../core/errors.ts'
import type { Backup } from '../../engine/values.ts'
import type { DoorContext } from '../door.ts'

export const BACKUP_PATH = '/v1/backup'

/**
 * Answers with a copy of all that is stored, of all projects. The engine keeps its files for as long as the
 * client reads; one that reads nothing is cut off as any idle connection is.
 *
 * @throws BrokerError `forbidden`, `no_journal`, `too_many_connections`, `storage_unavailable`
 */
export async function backup(
  { broker, connections, log }: DoorContext,
  identity: Identity,
): Promise<Response> {
  requireScope(identity, 'admin', 'A backup')
  if (!broker.engine.backup) throw new BrokerError('no_journal')
  const leave = connections.enter()
  let begun: Backup
  try {
    begun = await broker.engine.backup()
  } catch (error) {
    leave()
    throw error
  }
  const over = () => {
    begun.release()
    leave()
  }
  const name = `mcp-broker-${new Date(broker.now()).toISOString().replaceAll(/[-:]|\.\d+/g, '')}.tar`
  const fault = (err: unknown) => log.error({ err }, 'backup')
  return new Response(streamOf(begun, over, fault), {
    headers: {
      'content-type': 'application/x-tar',
      'content-disposition': `attachment; filename="${name}"`,
      'cache-control': 'no-store',
    },
  })
}

/**
 * A Bun direct stream, whose `write` returns a promise when the kernel takes no more. Nothing more is read
 * until that resolves.
 *
 * @param over called once, at the end or when the client has gone
 */
function streamOf({ chunks }: Backup, over: () => void, fault: (error: unknown) => void): ReadableStream {
  let open = true
  const end = () => {
    if (!open) return
    open = false
    over()
  }
  const pull = async (controller: ReadableStreamDirectController) => {
    try {
      while (open) {
        const { done, value } = await chunks.next()
        if (done || !open) break
        const written: number | Promise<number> = controller.write(value)
        controller.flush()
        await written
      }
    } catch (error) {
      fault(error)
      // Bun breaks the connection off, so that no client takes this for whole; it prints the error as well.
      throw error
    } finally {
      end()
    }
    controller.end()
  }
  return new ReadableStream({ type: 'direct', pull, cancel: end })
}
