package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The annotations of a namespace that say which Milvus its pods are. They are
// read for every request, so that a test can change the world in between.
const (
	annotationVersion  = "sandbox.milvus.io/milvus"
	annotationState    = "sandbox.milvus.io/milvus-state"
	annotationReplicas = "sandbox.milvus.io/milvus-replicas"
	annotationGroups   = "sandbox.milvus.io/milvus-groups"
	annotationActive   = "sandbox.milvus.io/milvus-active"
)

// How long the state `slow` takes, and how much `huge` says.
const (
	slowness = 30 * time.Second
	hugeness = 64 << 20
)

// milvus answers for the pods of all namespaces.
type milvus struct {
	ask func(method, path, body string) (string, bool)
	log *journal

	mutex    sync.Mutex
	ids      map[string]int    // of query nodes, by the UID of their pod
	releases map[string]*nodes // by namespace and release
}

// nodes are the query nodes of a release as they were last seen.
type nodes struct {
	running string
	changed time.Time // zero while they have never changed
}

func newMilvus(ask func(method, path, body string) (string, bool), log io.Writer) *milvus {
	return &milvus{ask: ask, log: &journal{output: log}, ids: map[string]int{}, releases: map[string]*nodes{}}
}

// listens tells whether a Milvus runs at this address.
func (m *milvus) listens(address string) bool {
	view, found := m.look(address)
	if !found {
		m.log.write("refused - %s CONNECT -", address)
	} else if view.version == (version{}) || !view.self.running() {
		m.log.write("refused %s %s CONNECT -", view.self.Metadata.Namespace, view.self.Metadata.Name)
		return false
	}
	return found
}

func (m *milvus) serve(w http.ResponseWriter, r *http.Request) {
	tunnel := r.Context().Value(tunnelKey{}).(*tunnel)
	view, found := m.look(tunnel.pod)
	if !found {
		panic(http.ErrAbortHandler)
	}
	m.log.write("%s %s %s %s %s", kindOf(r.Method, r.URL.Path), view.self.Metadata.Namespace, view.self.Metadata.Name, r.Method, r.URL.RequestURI())
	if r.URL.Path != "/healthz" && m.misbehave(w, r, view) {
		return
	}
	status, body := view.answer(r.URL.Path, r.URL.Query())
	if strings.HasPrefix(body, "{") || strings.HasPrefix(body, "[") {
		w.Header().Set("Content-Type", "application/json")
	} else {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// misbehave plays the states in which an answer tells nothing; it returns
// whether it has answered.
func (m *milvus) misbehave(w http.ResponseWriter, r *http.Request, view *view) bool {
	switch state, _, _ := strings.Cut(view.state, ":"); state {
	case "forbidden", "forbidden-all":
		if r.URL.Path == "/metrics" && state == "forbidden" {
			return false
		}
		// Milvus asks for its root at the one, for any user at the other.
		if strings.HasPrefix(r.URL.Path, "/management/") {
			http.Error(w, `{"msg":"admin authentication required"}`, http.StatusUnauthorized)
		} else {
			http.Error(w, `{"code":1100,"message":"permission denied"}`, http.StatusForbidden)
		}
	case "not-found":
		http.NotFound(w, r)
	case "garbage":
		fmt.Fprint(w, "<html><body>It works!</body></html>\n")
	case "huge":
		line := "# " + strings.Repeat("x", 4093) + "\n"
		for written := 0; written < hugeness; written += len(line) {
			if _, err := io.WriteString(w, line); err != nil {
				break
			}
		}
	case "slow":
		select {
		case <-r.Context().Done():
			return true
		case <-time.After(slowness):
			return false
		}
	case "healthy", "rebalancing", "unwell", "unwell-collection-from-start":
		return false
	default:
		http.Error(w, fmt.Sprintf("the sandbox knows no state %q", view.state), http.StatusTeapot)
	}
	return true
}

// kindOf sorts requests for the log: nothing may ever ask for what acts, and
// nobody should guess.
func kindOf(method, path string) string {
	_, known := readOnly[path]
	switch {
	case method != http.MethodGet, slices.ContainsFunc(acting, func(part string) bool { return strings.Contains(path, part) }):
		return "ACTS"
	case known:
		return "reads"
	}
	return "UNKNOWN"
}

// pod is what the simulation wants to know of one.
type pod struct {
	Metadata struct {
		Name, Namespace, UID string
		Labels               map[string]string
		CreationTimestamp    time.Time
		DeletionTimestamp    *time.Time
	}
	Status struct {
		PodIP             string
		ContainerStatuses []struct {
			State struct{ Running *struct{} }
		}
	}
}

func (p *pod) component() string   { return p.Metadata.Labels["component"] }
func (p *pod) group() string       { return p.Metadata.Labels["milvus.io/resource-group"] }
func (p *pod) isTerminating() bool { return p.Metadata.DeletionTimestamp != nil }

func (p *pod) running() bool {
	for _, container := range p.Status.ContainerStatuses {
		if container.State.Running != nil {
			return true
		}
	}
	return false
}

// look finds who has this address, and what that one knows of its release.
// Nothing is kept: what a test has just changed counts.
func (m *milvus) look(address string) (*view, bool) {
	var found []pod
	if !m.list("/api/v1/pods", url.Values{"fieldSelector": {"status.podIP=" + address}}, &found) {
		return nil, false
	}
	found = slices.DeleteFunc(found, func(p pod) bool { return p.component() == "" })
	if len(found) != 1 {
		return nil, false
	}
	v := &view{self: found[0]}
	namespace := found[0].Metadata.Namespace
	text, ok := m.ask("GET", "/api/v1/namespaces/"+namespace, "")
	var owner struct {
		Metadata struct{ Annotations map[string]string }
	}
	if !ok || json.Unmarshal([]byte(text), &owner) != nil {
		return nil, false
	}
	v.read(owner.Metadata.Annotations)
	release := found[0].Metadata.Labels["app.kubernetes.io/instance"]
	selector := "component,app.kubernetes.io/instance=" + release
	if !m.list("/api/v1/namespaces/"+namespace+"/pods", url.Values{"labelSelector": {selector}}, &v.pods) {
		return nil, false
	}
	slices.SortFunc(v.pods, func(a, b pod) int {
		if order := a.Metadata.CreationTimestamp.Compare(b.Metadata.CreationTimestamp); order != 0 {
			return order
		}
		return strings.Compare(a.Metadata.Name, b.Metadata.Name)
	})
	m.remember(namespace+"/"+release, v)
	return v, true
}

func (m *milvus) list(path string, query url.Values, into *[]pod) bool {
	text, ok := m.ask("GET", path+"?"+query.Encode(), "")
	var list struct{ Items []pod }
	if !ok || json.Unmarshal([]byte(text), &list) != nil {
		return false
	}
	*into = list.Items
	return true
}

// remember gives query nodes their numbers and notices when others run than
// before.
func (m *milvus) remember(release string, v *view) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	v.ids = map[string]int{}
	var running []string
	for _, p := range v.pods {
		if p.component() != "querynode" {
			continue
		}
		id, known := m.ids[p.Metadata.UID]
		if !known {
			id = len(m.ids) + firstID
			m.ids[p.Metadata.UID] = id
		}
		v.ids[p.Metadata.UID] = id
		if p.running() && !p.isTerminating() {
			running = append(running, strconv.Itoa(id))
		}
	}
	seen, now := m.releases[release], strings.Join(running, " ")
	if seen == nil {
		seen = &nodes{running: now}
		m.releases[release] = seen
	}
	if seen.running != now {
		seen.running, seen.changed = now, time.Now()
	}
	if !seen.changed.IsZero() {
		v.sinceChange = time.Since(seen.changed)
		v.changed = true
	}
}
