package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// metricsHost is the name under which the API server reaches the metrics API:
// that of the Service in stages/cluster/metrics.yaml, which is of the kind that
// has no endpoints. Its connections end in egress.go like all others.
const (
	metricsHost   = "metrics.sandbox.invalid"
	metricsServer = "metrics.kube-system.svc" // whom the API server expects there
	metricsPrefix = "/apis/metrics.k8s.io/v1beta1"
)

// How long a measurement took, by its own word. Autoscalers do not believe one
// that began before its pod was Ready.
const metricsWindow = time.Second

// The annotations of a namespace that say what its pods use: COMPONENT.usage
// as `cpu=90m,memory=1Gi` of each pod; without it nothing has been measured.
const (
	annotationMetrics     = "sandbox.milvus.io/metrics"
	annotationUsagePrefix = "sandbox.milvus.io/"
	annotationUsageSuffix = ".usage"
)

// metrics is the API that autoscalers and `kubectl top` ask.
type metrics struct {
	ask func(method, path, body string) (string, bool)
}

// serveMetrics answers the API server, and nobody else, on these connections.
func serveMetrics(plane *controlPlane, listener net.Listener) {
	// The certificates are made when the control plane is prepared, which is
	// after this.
	configuration := &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		own, err := tls.LoadX509KeyPair(plane.certificate("metrics.crt"), plane.certificate("metrics.key"))
		if err != nil {
			return nil, err
		}
		front, err := os.ReadFile(plane.certificate("front-proxy-ca.crt"))
		if err != nil {
			return nil, err
		}
		callers := x509.NewCertPool()
		callers.AppendCertsFromPEM(front)
		return &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: callers}, nil
	}}
	m := &metrics{ask: plane.ask}
	server := &http.Server{Handler: http.HandlerFunc(m.serve), ErrorLog: log.New(io.Discard, "", 0)}
	go server.Serve(tls.NewListener(listener, configuration))
}

func (m *metrics) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == metricsPrefix {
		answer(w, `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"metrics.k8s.io/v1beta1","resources":[`+
			`{"name":"pods","singularName":"","namespaced":true,"kind":"PodMetrics","verbs":["get","list"]}]}`)
		return
	}
	rest, inside := strings.CutPrefix(r.URL.Path, metricsPrefix+"/namespaces/")
	namespace, resource, _ := strings.Cut(rest, "/")
	annotations, found := m.annotations(namespace)
	if !inside || resource != "pods" || !found || annotations[annotationMetrics] == "absent" {
		http.NotFound(w, r)
		return
	}
	query := url.Values{"labelSelector": {r.URL.Query().Get("labelSelector")}}
	text, ok := m.ask("GET", "/api/v1/namespaces/"+namespace+"/pods?"+query.Encode(), "")
	var list struct{ Items []measured }
	if !ok || json.Unmarshal([]byte(text), &list) != nil {
		http.Error(w, "the pods cannot be read", http.StatusServiceUnavailable)
		return
	}
	items := []any{}
	for _, pod := range list.Items {
		usage, known := annotations[annotationUsagePrefix+pod.Metadata.Labels["component"]+annotationUsageSuffix]
		if known && pod.Status.Phase == "Running" && pod.Metadata.DeletionTimestamp == nil {
			items = append(items, pod.metrics(usage))
		}
	}
	document, _ := json.Marshal(map[string]any{
		"kind": "PodMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": map[string]any{}, "items": items,
	})
	answer(w, string(document))
}

func answer(w http.ResponseWriter, document string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, document)
}

func (m *metrics) annotations(namespace string) (map[string]string, bool) {
	var read struct {
		Metadata struct{ Annotations map[string]string }
	}
	text, ok := m.ask("GET", "/api/v1/namespaces/"+url.PathEscape(namespace), "")
	if namespace == "" || !ok || json.Unmarshal([]byte(text), &read) != nil {
		return nil, false
	}
	return read.Metadata.Annotations, true
}

// measured is what a measurement wants to know of a pod.
type measured struct {
	Metadata struct {
		Name, Namespace   string
		Labels            map[string]string
		DeletionTimestamp *time.Time
	}
	Spec struct {
		Containers []struct{ Name string }
	}
	Status struct{ Phase string }
}

// metrics are those of a pod whose first container does all the work.
func (p *measured) metrics(usage string) any {
	containers := []any{}
	for i, container := range p.Spec.Containers {
		used := map[string]string{"cpu": "0", "memory": "0"}
		for _, pair := range strings.Split(usage, ",") {
			if name, quantity, found := strings.Cut(pair, "="); found && i == 0 {
				used[name] = quantity
			}
		}
		containers = append(containers, map[string]any{"name": container.Name, "usage": used})
	}
	return map[string]any{
		"metadata":   map[string]any{"name": p.Metadata.Name, "namespace": p.Metadata.Namespace, "labels": p.Metadata.Labels},
		"timestamp":  time.Now().UTC().Format(time.RFC3339Nano),
		"window":     metricsWindow.String(),
		"containers": containers,
	}
}
