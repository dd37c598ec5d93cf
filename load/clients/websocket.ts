/** Connects a WebSocket. @param url of the server, `http:`; @param onText called with each frame, as text */
export async function connectWebSocket(url: string, onText: (text: string) => void): Promise<WebSocket> {
  const socket = new WebSocket(url.replace('http', 'ws'))
  socket.binaryType = 'arraybuffer'
  socket.onmessage = ({ data }) => onText(typeof data === 'string' ? data : TEXT.decode(data))
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve()
    socket.onerror = () => reject(new Error(`no WebSocket at ${url}`))
  })
  return socket
}

const TEXT = new TextDecoder()
