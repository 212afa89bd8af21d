package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	stateName = "sandbox.json"
	lockName  = "sandbox.lock"
)

// state is what a supervisor tells everyone else, as a file in its folder.
type state struct {
	Pid        int    `json:"pid"`
	Ready      bool   `json:"ready"`
	APIServer  string `json:"apiServer"` // running, stopped or starting
	APIPid     int    `json:"apiServerPid"`
	Server     string `json:"server"`
	Repository string `json:"repository"`
	Charts     string `json:"charts"`
}

func readState(dir string) (state, error) {
	var s state
	content, err := os.ReadFile(filepath.Join(dir, stateName))
	if err == nil {
		err = json.Unmarshal(content, &s)
	}
	return s, err
}

// write replaces the file at once, so that nobody reads half of it.
func (s state) write(dir string) error {
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	partial := filepath.Join(dir, stateName+".partial")
	if err := os.WriteFile(partial, append(content, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(partial, filepath.Join(dir, stateName))
}

// writeTools fills the folder that leads PATH inside the sandbox.
func (s *site) writeTools(dir string, built binaries) error {
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	for name, target := range map[string]string{
		"kubectl": built.kubectl, "helm3": built.helm3, "helm4": built.helm4,
		"kubectl-krew": built.krew, "validate-krew-manifest": built.krewValidator,
	} {
		if err := os.Symlink(target, filepath.Join(bin, name)); err != nil {
			return err
		}
	}
	helm := `#!/bin/sh
# HELM chooses for each call, so that one sandbox serves tests of both.
case "${HELM:-4}" in
3 | 4) exec "$SANDBOX_BIN/helm${HELM:-4}" "$@" ;;
*) echo "helm: HELM must be 3 or 4 in the sandbox, not $HELM" >&2; exit 2 ;;
esac
`
	if err := os.WriteFile(filepath.Join(bin, "helm"), []byte(helm), 0o755); err != nil {
		return err
	}
	again := fmt.Sprintf("#!/bin/sh\nexec %s \"$@\"\n", shellQuote(filepath.Join(s.source, "sandbox")))
	return os.WriteFile(filepath.Join(bin, "sandbox"), []byte(again), 0o755)
}

// environment is the caller's without what would lead kubectl and helm
// elsewhere, and with all that leads them into the sandbox.
func (s *site) environment(dir string, running state) []string {
	own := s.ownEnvironment(dir, running)
	var result []string
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		stray := strings.HasPrefix(name, "HELM_") || strings.HasPrefix(name, "SANDBOX_") ||
			strings.HasPrefix(name, "KUBE") && !strings.HasPrefix(name, "KUBECTL_MILVUS_")
		replaced := slices.ContainsFunc(own, func(v string) bool { return strings.HasPrefix(v, name+"=") })
		if !stray && !replaced {
			result = append(result, variable)
		}
	}
	return append(result, own...)
}

func (s *site) ownEnvironment(dir string, running state) []string {
	path := []string{filepath.Join(dir, "bin")}
	path = append(path, s.pluginFolders()...)
	path = append(path, os.Getenv("PATH"))
	own := []string{
		"PATH=" + strings.Join(path, string(filepath.ListSeparator)),
		"KUBECONFIG=" + filepath.Join(dir, "kubeconfig"),
		"KUBECACHEDIR=" + filepath.Join(dir, "kube-cache"),
		"KUBERC=off", // the caller's own preferences for kubectl
		"SANDBOX_DIR=" + dir,
		"SANDBOX_BIN=" + filepath.Join(dir, "bin"),
		"SANDBOX_CHARTS=" + running.Charts,
		"SANDBOX_REPOSITORY=" + running.Repository,
	}
	return append(own, helmHome(filepath.Join(dir, "helm"))...)
}

// pluginFolders are where cargo puts kubectl-milvus, the newest build first:
// who builds for debugging does not want last week's release build. They are
// named even while empty, so that a later build is found.
func (s *site) pluginFolders() []string {
	target := os.Getenv("CARGO_TARGET_DIR")
	if target == "" {
		target = filepath.Join(s.checkout(), "target")
	}
	release, debug := filepath.Join(target, "release"), filepath.Join(target, "debug")
	newest := func(folder string) int64 {
		info, err := os.Stat(filepath.Join(folder, "kubectl-milvus"))
		if err != nil {
			return 0
		}
		return info.ModTime().UnixNano()
	}
	if newest(debug) > newest(release) {
		return []string{debug, release}
	}
	return []string{release, debug}
}

func helmHome(folder string) []string {
	return []string{
		"HELM_CACHE_HOME=" + filepath.Join(folder, "cache"),
		"HELM_CONFIG_HOME=" + filepath.Join(folder, "config"),
		"HELM_DATA_HOME=" + filepath.Join(folder, "data"),
	}
}

func shellQuote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
