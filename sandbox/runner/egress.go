package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// egressSocket is where the API server takes every connection into the cluster
// to. The name is relative, since the path of a socket may have about a hundred
// characters and a folder's may have more: supervisor and API server both run
// in the folder of the sandbox.
const egressSocket = "egress.sock"

// egressConfiguration keeps the API server from dialing addresses of pods,
// which outside the sandbox may belong to somebody.
const egressConfiguration = `apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: HTTPConnect
    transport: {uds: {udsName: ` + egressSocket + `}}
`

// milvusPort is the only port on which a pod answers.
const milvusPort = "9091"

// egress is the other end of the socket: it plays the Milvus of the pod that
// was asked for, and the metrics API, and leads nowhere else.
type egress struct {
	milvus      *milvus
	connections chan net.Conn
	metrics     chan net.Conn
}

// serveEgress listens from its return on.
func serveEgress(plane *controlPlane) error {
	_ = os.Remove(egressSocket)
	listener, err := net.Listen("unix", egressSocket)
	if err != nil {
		return err
	}
	asked, err := os.OpenFile(filepath.Join(plane.dir, "logs", "milvus.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	e := &egress{milvus: newMilvus(plane.ask, asked), connections: make(chan net.Conn), metrics: make(chan net.Conn)}
	serveMetrics(plane, &tunnels{e.metrics, listener.Addr()})
	server := &http.Server{
		Handler:     http.HandlerFunc(e.milvus.serve),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, tunnelKey{}, c) },
		ErrorLog:    log.New(io.Discard, "", 0),
	}
	// Each request is a connection of its own: behind a kept one, the address
	// may have gone to another pod.
	server.SetKeepAlivesEnabled(false)
	go server.Serve(&tunnels{e.connections, listener.Addr()})
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go e.connect(connection)
		}
	}()
	return nil
}

// connect answers CONNECT: whoever does not run Milvus refuses.
func (e *egress) connect(connection net.Conn) {
	_ = connection.SetDeadline(time.Now().Add(10 * time.Second))
	reader := bufio.NewReader(connection)
	request, err := http.ReadRequest(reader)
	if err != nil || request.Method != http.MethodConnect {
		connection.Close()
		return
	}
	host, port, err := net.SplitHostPort(request.URL.Host)
	connections := e.connections
	if host == metricsHost {
		connections = e.metrics
	} else if err != nil || port != milvusPort || !e.milvus.listens(host) {
		fmt.Fprint(connection, "HTTP/1.1 502 connection refused\r\nContent-Length: 0\r\n\r\n")
		connection.Close()
		return
	}
	_ = connection.SetDeadline(time.Time{})
	if _, err := fmt.Fprint(connection, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		connection.Close()
		return
	}
	connections <- &tunnel{connection, reader, host}
}

// tunnel is a connection to a pod.
type tunnel struct {
	net.Conn
	reader *bufio.Reader
	pod    string // its address
}

type tunnelKey struct{}

func (t *tunnel) Read(into []byte) (int, error) { return t.reader.Read(into) }

// tunnels are what the server of all pods listens on.
type tunnels struct {
	connections <-chan net.Conn
	address     net.Addr
}

func (t *tunnels) Accept() (net.Conn, error) { return <-t.connections, nil }
func (t *tunnels) Addr() net.Addr            { return t.address }
func (t *tunnels) Close() error              { return nil }

// journal is a log that several may write to.
type journal struct {
	mutex  sync.Mutex
	output io.Writer
}

func (j *journal) write(format string, values ...any) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	fmt.Fprintf(j.output, "%s "+format+"\n", append([]any{time.Now().UTC().Format("2006-01-02T15:04:05.000Z")}, values...)...)
}
