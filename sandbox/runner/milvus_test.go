package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// A world of one release whose pods are called after their component.
func world(annotations map[string]string, components ...string) *view {
	v := &view{ids: map[string]int{}}
	v.read(annotations)
	for i, component := range components {
		component, terminating := strings.CutSuffix(component, " terminating")
		p := pod{}
		p.Metadata.Name, p.Metadata.UID = fmt.Sprintf("%s-%d", component, i), fmt.Sprint(i)
		p.Metadata.Labels = map[string]string{"component": component}
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, struct {
			State struct{ Running *struct{} }
		}{struct{ Running *struct{} }{&struct{}{}}})
		if terminating {
			p.Metadata.DeletionTimestamp = new(time.Time)
		}
		v.pods = append(v.pods, p)
		if component == "querynode" {
			v.ids[p.Metadata.UID] = firstID + len(v.ids)
		}
	}
	return v
}

func (v *view) asked(component, path string) string {
	for _, p := range v.pods {
		if p.component() == component {
			v.self = p
		}
	}
	where, query, _ := strings.Cut(path, "?")
	values, _ := url.ParseQuery(query)
	status, body := v.answer(where, values)
	return fmt.Sprint(status, " ", body)
}

func TestEndpointsAreThereFromTheirVersionOnAndOnTheirPod(t *testing.T) {
	for _, test := range []struct{ version, component, path, want string }{
		{"2.6.17", "mixcoord", "/management/replica/loadconfig/compliance", `200 {"state":"Ready"}`},
		{"2.6.15", "mixcoord", "/management/replica/loadconfig/compliance", "404"},
		{"2.6.17", "proxy", "/management/replica/loadconfig/compliance", "404"},
		{"2.5.0", "proxy", "/api/v1/_qc/replica", `200 [{"ID":"1000"`},
		{"2.4.23", "proxy", "/api/v1/_qc/replica", "404"},
		{"2.5.12", "mixcoord", "/management/check/ready?role=querycoord", `200 {"msg":"OK"}`},
		{"2.5.12", "mixcoord", "/management/check/ready?role=mixcoord", "500"},
		{"2.6.15", "mixcoord", "/management/check/ready?role=mixcoord", `200 {"msg":"OK"}`},
		{"2.2.2", "querycoord", "/management/check/ready?role=querycoord", "404"},
		{"2.2.2", "querycoord", "/metrics", "200 "},
		{"2.6.17", "proxy", "/elsewhere", "404"},
	} {
		v := world(map[string]string{annotationVersion: test.version}, "querynode", "proxy", test.component)
		if got := v.asked(test.component, test.path); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s on %s of %s: %s", test.path, test.component, test.version, got)
		}
	}
}

func TestUnwellShowsEverywhere(t *testing.T) {
	all := map[string]string{
		"mixcoord /management/replica/loadconfig/compliance": "NotReady",
		"mixcoord /metrics": "replica_ro_node_total 1",
		"proxy /api/v1/_collection/list?db_name=default": `"query_service_available":[false,false]`,
		"proxy /api/v1/_qc/replica":                      `"ro_nodes":[1]`,
	}
	for place, bad := range all {
		component, path, _ := strings.Cut(place, " ")
		v := world(map[string]string{annotationVersion: "2.6.17", annotationState: "rebalancing:5s"}, "querynode", "proxy", "mixcoord")
		for _, moment := range []struct {
			changed bool
			since   time.Duration
			bad     bool
		}{{false, 0, false}, {true, time.Second, true}, {true, 6 * time.Second, false}} {
			v.changed, v.sinceChange = moment.changed, moment.since
			if got := v.asked(component, path); strings.Contains(got, bad) != moment.bad {
				t.Errorf("%s %+v: %s", place, moment, got)
			}
		}
	}
}

func TestTerminatingNodesAreReadOnlyUntilTheyAreGone(t *testing.T) {
	v := world(map[string]string{annotationVersion: "2.6.17", annotationReplicas: "2"}, "querynode", "querynode", "querynode terminating", "proxy", "mixcoord")
	var replicas []replica
	if err := json.Unmarshal([]byte(strings.TrimPrefix(v.asked("proxy", "/api/v1/_qc/replica"), "200 ")), &replicas); err != nil {
		t.Fatal(err)
	}
	if len(replicas) != 4 || len(replicas[0].ReadWrite) != 1 || len(replicas[1].ReadWrite) != 1 {
		t.Errorf("replicas are %+v", replicas)
	}
	if v.unwell() == "" || v.moving() {
		t.Errorf("a node that is leaving: %q", v.unwell())
	}
	v.pods = v.pods[1:2]
	if want := "replica 1001 has no query node"; v.unwell() != want {
		t.Errorf("one node for two replicas: %q", v.unwell())
	}
}

func TestOneCoordinatorIsActive(t *testing.T) {
	for chosen, active := range map[string]int{"": 0, "0": 0, "1": 1, "coord-1": 1, "9": -1} {
		v := world(map[string]string{annotationVersion: "2.6.15", annotationActive: chosen}, "mixcoord", "mixcoord")
		for i := range v.pods {
			v.self = v.pods[i]
			status, _ := v.ready("mixcoord")
			knows := strings.Contains(v.metrics(true), "querynode_num")
			if (status == http.StatusOK) != (i == active) || knows != (i == active) {
				t.Errorf("active %q: coordinator %d answers %d, knows %v", chosen, i, status, knows)
			}
		}
	}
}

func TestRequestsThatActAreToldApart(t *testing.T) {
	for request, want := range map[string]string{
		"GET /metrics": "reads", "POST /metrics": "ACTS", "GET /management/stop": "ACTS",
		"GET /management/querycoord/balance/suspend": "ACTS", "GET /management/querycoord/node/list": "UNKNOWN",
	} {
		method, path, _ := strings.Cut(request, " ")
		if got := kindOf(method, path); got != want {
			t.Errorf("%s: %s", request, got)
		}
	}
}

// Nothing may leave this machine, whatever the API server asks for.
func TestConnectionsLeadNowhere(t *testing.T) {
	none := func(method, path, body string) (string, bool) { return `{"items":[]}`, true }
	e := &egress{milvus: newMilvus(none, io.Discard)}
	for _, address := range []string{"10.0.0.9:9091", "10.0.0.9:80", "127.0.0.1:9091", "example.org:443", "nonsense"} {
		here, there := net.Pipe()
		go e.connect(there)
		fmt.Fprintf(here, "CONNECT %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", address)
		answer, err := http.ReadResponse(bufio.NewReader(here), nil)
		if err != nil || answer.StatusCode != http.StatusBadGateway {
			t.Errorf("%s: %v %v", address, answer, err)
		}
		here.Close()
	}
}
