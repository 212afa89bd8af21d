package main

import (
	"slices"
	"strings"
	"testing"
)

func TestEnvironmentLeadsNowhereElse(t *testing.T) {
	t.Setenv("KUBECONFIG", "/elsewhere")
	t.Setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
	t.Setenv("HELM_KUBECONTEXT", "production")
	t.Setenv("HELM", "3")
	t.Setenv("KUBECTL_MILVUS_SANDBOX_CACHE", "/cache")
	t.Setenv("PATH", "/usr/bin")
	here := &site{source: "/checkout/sandbox"}

	got := here.environment("/box", state{Charts: "/charts", Repository: "http://127.0.0.1:1"})

	for _, want := range []string{"KUBECONFIG=/box/kubeconfig", "HELM=3", "KUBECTL_MILVUS_SANDBOX_CACHE=/cache", "SANDBOX_CHARTS=/charts"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is missing", want)
		}
	}
	names := map[string]int{}
	for _, variable := range got {
		name, value, _ := strings.Cut(variable, "=")
		names[name]++
		if name == "PATH" && (!strings.HasPrefix(value, "/box/bin:") || !strings.HasSuffix(value, ":/usr/bin")) {
			t.Errorf("PATH is %s", value)
		}
	}
	for name, count := range names {
		if count > 1 {
			t.Errorf("%s is there %d times", name, count)
		}
	}
	for _, stray := range []string{"KUBERNETES_SERVICE_HOST", "HELM_KUBECONTEXT"} {
		if names[stray] != 0 {
			t.Errorf("%s of the caller is still there", stray)
		}
	}
}

func TestVersionsComeFromTheModules(t *testing.T) {
	for _, p := range programs {
		version, err := p.version("..")
		if err != nil {
			t.Errorf("%s: %v", p.title, err)
			continue
		}
		flags := p.linkerFlags(version)
		if strings.Count(flags, "-X ") != len(p.stamped) || strings.Contains(flags, "VERSION") || strings.Contains(flags, "MINOR") {
			t.Errorf("%s %s is stamped with %q", p.title, version, flags)
		}
	}
}
