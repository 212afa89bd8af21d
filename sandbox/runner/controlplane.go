package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The addresses of a cluster. Nobody sends anything there: the API server's
// connections to them end in egress.go.
const (
	podFirst       = "10.0.0.1/16" // KWOK counts on from here
	serverAddress  = "10.0.255.1"
	serviceRange   = "10.96.0.0/16"
	serviceAddress = "10.96.0.1"
)

// controlPlane knows the files, ports and flags of one cluster.
type controlPlane struct {
	dir        string
	stages     string
	nodes      int
	apiPort    int
	etcdPort   int
	peerPort   int
	restClient *http.Client
}

func (c *controlPlane) server() string { return fmt.Sprintf("https://127.0.0.1:%d", c.apiPort) }

func (c *controlPlane) certificate(name string) string {
	return filepath.Join(c.dir, "certificates", name)
}

func (c *controlPlane) kubeconfig(client string) string {
	if client == "admin" {
		return filepath.Join(c.dir, "kubeconfig")
	}
	return filepath.Join(c.dir, client+".kubeconfig")
}

// prepare writes what the parts read.
func (c *controlPlane) prepare() error {
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	c.apiPort, c.etcdPort, c.peerPort = ports[0], ports[1], ports[2]
	if err := writeCertificates(c.certificate("")); err != nil {
		return err
	}
	for _, client := range []string{"admin", "kube-controller-manager", "kube-scheduler", "kwok"} {
		if err := writeKubeconfig(c.kubeconfig(client), c.certificate(""), client, c.server()); err != nil {
			return err
		}
	}
	scheduler := fmt.Sprintf(`apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
leaderElection: {leaderElect: false}
clientConnection: {kubeconfig: %q, qps: 500, burst: 1000}
`, c.kubeconfig("kube-scheduler"))
	if err := os.WriteFile(filepath.Join(c.dir, "scheduler.yaml"), []byte(scheduler), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.dir, "nodes.yaml"), []byte(nodeList(c.nodes)), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.dir, "egress.yaml"), []byte(egressConfiguration), 0o600); err != nil {
		return err
	}
	if err := c.joinStages(); err != nil {
		return err
	}
	return c.connect()
}

// freePorts asks the system for ports that nobody listens on. Somebody may
// take one before its part does; then the start is tried anew.
func freePorts(count int) ([]int, error) {
	var ports []int
	for range count {
		listener, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

func nodeList(count int) string {
	var list strings.Builder
	for i := range count {
		fmt.Fprintf(&list, `---
apiVersion: v1
kind: Node
metadata:
  name: node-%[1]d
  labels:
    kubernetes.io/arch: amd64
    kubernetes.io/os: linux
    kubernetes.io/hostname: node-%[1]d
    topology.kubernetes.io/zone: zone-%[1]d
status:
  addresses:
  - {type: InternalIP, address: 10.0.254.%[2]d}
  - {type: Hostname, address: node-%[1]d}
  capacity: {cpu: "64", memory: 256Gi, pods: "5000", ephemeral-storage: 1Ti}
  allocatable: {cpu: "64", memory: 256Gi, pods: "5000", ephemeral-storage: 1Ti}
`, i, i+1)
	}
	return list.String()
}

// joinStages makes one file of all stages, which is what KWOK takes.
func (c *controlPlane) joinStages() error {
	files, err := filepath.Glob(filepath.Join(c.stages, "*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no stages in %s", c.stages)
	}
	var all strings.Builder
	all.WriteString(`kind: KwokConfiguration
apiVersion: config.kwok.x-k8s.io/v1alpha1
options:
  podPlayStageParallelism: 16
  nodePlayStageParallelism: 4
  nodeLeaseParallelism: 4
  podsOnNodeSyncParallelism: 4
`)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		all.WriteString("---\n")
		all.Write(content)
	}
	return os.WriteFile(filepath.Join(c.dir, "kwok.yaml"), []byte(all.String()), 0o600)
}

func (c *controlPlane) etcd() []string {
	return []string{
		"--data-dir", filepath.Join(c.dir, "etcd"),
		"--client-url", fmt.Sprintf("http://127.0.0.1:%d", c.etcdPort),
		"--peer-url", fmt.Sprintf("http://127.0.0.1:%d", c.peerPort),
	}
}

func (c *controlPlane) apiServer() []string {
	return []string{
		fmt.Sprintf("--etcd-servers=http://127.0.0.1:%d", c.etcdPort),
		fmt.Sprintf("--secure-port=%d", c.apiPort),
		"--bind-address=127.0.0.1",
		"--advertise-address=" + serverAddress,
		"--egress-selector-config-file=" + filepath.Join(c.dir, "egress.yaml"),
		"--endpoint-reconciler-type=none", // there is no service network that an endpoint would help
		"--cert-dir=" + c.certificate(""),
		"--tls-cert-file=" + c.certificate("apiserver.crt"),
		"--tls-private-key-file=" + c.certificate("apiserver.key"),
		"--client-ca-file=" + c.certificate("ca.crt"),
		"--authorization-mode=Node,RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.certificate("service-account.key"),
		"--service-account-signing-key-file=" + c.certificate("service-account.key"),
		"--service-cluster-ip-range=" + serviceRange,
		// For an aggregated API, such as one for metrics, that a test registers.
		"--requestheader-client-ca-file=" + c.certificate("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + c.certificate("front-proxy.crt"),
		"--proxy-client-key-file=" + c.certificate("front-proxy.key"),
		"--allow-privileged=true",
		"--max-requests-inflight=2000",
		"--max-mutating-requests-inflight=1000",
		"--profiling=false",
	}
}

func (c *controlPlane) controllerManager() []string {
	return []string{
		"--kubeconfig=" + c.kubeconfig("kube-controller-manager"),
		"--leader-elect=false",
		"--secure-port=0",
		"--kube-api-qps=300", "--kube-api-burst=600",
		"--root-ca-file=" + c.certificate("ca.crt"),
		"--service-account-private-key-file=" + c.certificate("service-account.key"),
		"--horizontal-pod-autoscaler-sync-period=2s",
		// An autoscaler that says nothing of it waits so long before it shrinks; 5m by default.
		"--horizontal-pod-autoscaler-downscale-stabilization=4s",
		"--pvclaimbinder-sync-period=1s",
		// A node whose kubelet is stopped is lost after this long, see stages/.
		"--node-monitor-grace-period=12s", "--node-monitor-period=2s",
		"--profiling=false",
	}
}

func (c *controlPlane) scheduler() []string {
	return []string{"--config=" + filepath.Join(c.dir, "scheduler.yaml"), "--secure-port=0"}
}

func (c *controlPlane) kwok() []string {
	return []string{
		"--kubeconfig=" + c.kubeconfig("kwok"),
		"--config=" + filepath.Join(c.dir, "kwok.yaml"),
		"--manage-nodes-with-label-selector=sandbox.milvus.io/kubelet!=stopped",
		"--node-lease-duration-seconds=8",
		"--cidr=" + podFirst,
		"--node-ip=" + serverAddress,
	}
}

// connect makes the client that the runner itself asks the API server with.
func (c *controlPlane) connect() error {
	authorities := x509.NewCertPool()
	ca, err := os.ReadFile(c.certificate("ca.crt"))
	if err != nil {
		return err
	}
	authorities.AppendCertsFromPEM(ca)
	admin, err := tls.LoadX509KeyPair(c.certificate("admin.crt"), c.certificate("admin.key"))
	if err != nil {
		return err
	}
	c.restClient = &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: authorities, Certificates: []tls.Certificate{admin}},
		},
	}
	return nil
}

// ask returns the body of a successful answer, nothing otherwise.
func (c *controlPlane) ask(method, path, body string) (string, bool) {
	request, err := http.NewRequest(method, c.server()+path, strings.NewReader(body))
	if err != nil {
		return "", false
	}
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Content-Type", "application/json")
	if method == "PATCH" {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	response, err := c.restClient.Do(request)
	if err != nil {
		return "", false
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return string(text), err == nil && response.StatusCode < 300
}

func (c *controlPlane) etcdAnswers() bool {
	connection, err := net.DialTimeout("tcp4", fmt.Sprintf("127.0.0.1:%d", c.etcdPort), time.Second)
	if err == nil {
		connection.Close()
	}
	return err == nil
}

func (c *controlPlane) serverReady() bool {
	_, ok := c.ask("GET", "/readyz", "")
	return ok
}

// usable is true once a user's first command can only succeed: pods get their
// ServiceAccount, nodes are Ready, and the policy that hands out behaviours works.
func (c *controlPlane) usable() bool {
	if _, ok := c.ask("GET", "/api/v1/namespaces/default/serviceaccounts/default", ""); !ok {
		return false
	}
	nodes, ok := c.ask("GET", "/api/v1/nodes", "")
	if !ok || strings.Count(nodes, `"reason":"KubeletReady"`) < c.nodes || strings.Contains(nodes, `"node.kubernetes.io/not-ready"`) {
		return false
	}
	// As long as an API is registered and does not answer, kubectl and Helm warn.
	if _, ok := c.ask("GET", metricsPrefix, ""); !ok {
		return false
	}
	answer, ok := c.ask("POST", "/api/v1/namespaces/"+probeNamespace+"/pods?dryRun=All", probePod)
	return ok && strings.Contains(answer, `"sandbox.milvus.io/behaviour":"never-ready"`)
}

// The probe of the policy is a pod that is never made, in a namespace whose
// annotation asks for a behaviour.
const (
	probeNamespace  = "kube-node-lease"
	probeAnnotation = `{"metadata":{"annotations":{"sandbox.milvus.io/sandbox-probe.behaviour":"never-ready"}}}`
	probePod        = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"probe","labels":{"component":"sandbox-probe"}},` +
		`"spec":{"containers":[{"name":"probe","image":"probe"}]}}`
)
