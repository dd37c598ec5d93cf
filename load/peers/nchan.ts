import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connectWebSocket } from '../clients/websocket.ts'
import { temporaryFolder } from '../folder.ts'
import { Server } from '../server.ts'
import type { Peer } from './peer.ts'

/** Where Debian's `libnginx-mod-nchan` puts it. */
const MODULE = '/usr/lib/nginx/modules/ngx_nchan_module.so'

/** nginx with nchan: a channel for each reader, published to and subscribed to over WebSocket. Source: nchan's README. */
export const NCHAN: Peer = {
  name: 'nchan',
  async start() {
    const program = Bun.which('nginx', { PATH: `${process.env.PATH}:/usr/sbin` })
    if (!program || !existsSync(MODULE)) return undefined
    const folder = temporaryFolder()
    const config = join(folder, 'nginx.conf')
    return Server.start((port) => {
      writeFileSync(config, settings(folder, port))
      return [program, '-p', folder, '-c', config, '-e', '/dev/null']
    })
  },
  async read({ url }, name, onMessage) {
    await connectWebSocket(`${url}/read/${name}`, (text) => onMessage(JSON.parse(text)))
  },
  async write({ url }, _name, recipient) {
    const socket = await connectWebSocket(`${url}/write/${recipient}`, () => {})
    // It knows no frame of several messages.
    return (payloads) => {
      for (const payload of payloads) socket.send(payload)
    }
  },
}

/** One process in the foreground, so that the one that is started is the one that is measured. */
function settings(folder: string, port: number): string {
  return `
load_module ${MODULE};
daemon off;
master_process off;
pid ${folder}/pid;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  nchan_message_buffer_length 1024;
  server {
    listen 127.0.0.1:${port};
    location ~ ^/read/(.+)$ { nchan_subscriber websocket; nchan_channel_id $1; }
    location ~ ^/write/(.+)$ { nchan_publisher websocket; nchan_channel_id $1; }
  }
}
`
}
