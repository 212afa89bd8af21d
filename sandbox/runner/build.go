package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

const buildHelp = `Build the control plane, KWOK, both Helms and krew into the cache.

The first build takes about ten minutes on two cores and fetches Go modules;
afterwards everything is taken from the cache. run and up build by themselves.
The cache is KUBECTL_MILVUS_SANDBOX_CACHE, by default kubectl-milvus-sandbox in
your cache folder.
`

func buildCommand(here *site, arguments []string) error {
	rest, done, err := parse("build", buildHelp, arguments, func(*flag.FlagSet) {})
	if err != nil || done {
		return err
	}
	if len(rest) != 0 {
		return usage("build takes no arguments")
	}
	built, err := here.build()
	if err != nil {
		return err
	}
	for _, path := range []string{built.controlplane, built.kubectl, built.kwok, built.helm3, built.helm4, built.krew, built.krewValidator} {
		fmt.Println(path)
	}
	return nil
}

// binaries are the paths of what was built.
type binaries struct {
	controlplane, kubectl, kwok, helm3, helm4, krew, krewValidator string
}

// program is one of the modules beside the runner. Its version is stamped at
// link time, because clients and charts ask for it and the modules do not know it.
type program struct {
	name    string // of the binary, and of its folder in the cache
	module  string // its folder here
	title   string
	target  string // the package to build
	pinned  string // the dependency in go.mod whose version it is
	stamped []string
}

var programs = []program{
	{"controlplane", "controlplane", "control plane", ".", "k8s.io/kubernetes", ofKubernetes},
	{"kubectl", "controlplane", "kubectl", "./kubectl", "k8s.io/kubernetes", ofKubernetes},
	{"kwok", "kwok", "KWOK", "sigs.k8s.io/kwok/cmd/kwok", "sigs.k8s.io/kwok", nil},
	{"helm3", "helm3", "Helm 3", "helm.sh/helm/v3/cmd/helm", "helm.sh/helm/v3", []string{"helm.sh/helm/v3/internal/version.version=VERSION"}},
	{"helm4", "helm4", "Helm 4", "helm.sh/helm/v4/cmd/helm", "helm.sh/helm/v4", []string{"helm.sh/helm/v4/internal/version.version=VERSION"}},
	{"krew", "krew", "krew", "sigs.k8s.io/krew/cmd/krew", "sigs.k8s.io/krew", nil},
	{"validate-krew-manifest", "krew", "krew's validator", "sigs.k8s.io/krew/cmd/validate-krew-manifest", "sigs.k8s.io/krew", nil},
}

var ofKubernetes = []string{
	"k8s.io/component-base/version.gitVersion=VERSION",
	"k8s.io/component-base/version.gitMajor=MAJOR",
	"k8s.io/component-base/version.gitMinor=MINOR",
	"k8s.io/client-go/pkg/version.gitVersion=VERSION",
}

// build returns everything built, from the cache where the sources are the same.
func (s *site) build() (binaries, error) {
	toolchain, err := exec.Command("go", "version").Output()
	if err != nil {
		return binaries{}, fmt.Errorf("go version: %w", err)
	}
	paths := map[string]string{}
	var missing []program
	for _, p := range programs {
		key, err := p.key(s.source, toolchain)
		if err != nil {
			return binaries{}, err
		}
		folder := filepath.Join(s.cache, p.name+"-"+key)
		paths[p.name] = filepath.Join(folder, p.name)
		if _, err := os.Stat(paths[p.name]); err != nil {
			missing = append(missing, p)
			continue
		}
		// Its age tells the clean-up that it is in use.
		_ = os.Chtimes(folder, time.Now(), time.Now())
	}
	if len(missing) > 0 {
		if err := s.buildMissing(missing, paths); err != nil {
			return binaries{}, err
		}
		s.forgetUnused()
	}
	return binaries{
		paths["controlplane"], paths["kubectl"], paths["kwok"], paths["helm3"], paths["helm4"],
		paths["krew"], paths["validate-krew-manifest"],
	}, nil
}

// key changes with anything that changes the binary.
func (p program) key(source string, toolchain []byte) (string, error) {
	module := filepath.Join(source, p.module)
	files, err := filepath.Glob(filepath.Join(module, "*"))
	if err != nil {
		return "", err
	}
	if p.target != "." && strings.HasPrefix(p.target, ".") {
		own, err := filepath.Glob(filepath.Join(module, p.target, "*"))
		if err != nil {
			return "", err
		}
		files = append(files, own...)
	}
	sum := sha256.New()
	sum.Write(toolchain)
	fmt.Fprintln(sum, runtime.GOOS, runtime.GOARCH, p.target, p.stamped)
	slices.Sort(files)
	for _, file := range files {
		name := filepath.Base(file)
		if name != "go.mod" && name != "go.sum" && filepath.Ext(name) != ".go" {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(sum, name, len(content))
		sum.Write(content)
	}
	return hex.EncodeToString(sum.Sum(nil))[:12], nil
}

func (s *site) buildMissing(missing []program, paths map[string]string) error {
	lock, err := lockFile(filepath.Join(s.cache, "build.lock"), func() {
		fmt.Fprintln(os.Stderr, "sandbox: another one is building; waiting for it")
	})
	if err != nil {
		return err
	}
	defer lock.Close()
	announced := false
	for i, p := range missing {
		path := paths[p.name]
		if _, err := os.Stat(path); err == nil {
			continue // the one that was waited for built it
		}
		if !announced {
			fmt.Fprintf(os.Stderr, "sandbox: building %d of %d programs; cold this takes about ten minutes, then they are kept in %s\n",
				len(missing), len(programs), s.cache)
			announced = true
		}
		if err := p.compile(s.source, path, fmt.Sprintf("[%d/%d] %s", i+1, len(missing), p.title)); err != nil {
			return err
		}
	}
	return nil
}

func (p program) compile(source, path, title string) error {
	version, err := p.version(source)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	partial := path + ".partial"
	var output bytes.Buffer
	compiler := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", p.linkerFlags(version), "-o", partial, p.target)
	compiler.Dir = filepath.Join(source, p.module)
	compiler.Stdout, compiler.Stderr = &output, &output
	compiler.SysProcAttr = endsWithParent(syscall.SIGTERM)
	progress := startProgress(title + " " + version)
	err = compiler.Run()
	if err == nil {
		err = os.Rename(partial, path)
	}
	progress.end(err == nil)
	if err != nil {
		return fmt.Errorf("building %s: %w\n%s", p.title, err, strings.TrimSpace(output.String()))
	}
	return nil
}

func (p program) linkerFlags(version string) string {
	numbers := append(strings.Split(strings.TrimPrefix(version, "v"), "."), "", "")
	values := strings.NewReplacer("VERSION", version, "MAJOR", numbers[0], "MINOR", numbers[1])
	flags := "-s -w"
	for _, stamp := range p.stamped {
		flags += " -X " + values.Replace(stamp)
	}
	return flags
}

// version is read from go.mod, so that it is pinned in one place.
func (p program) version(source string) (string, error) {
	file := filepath.Join(source, p.module, "go.mod")
	content, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	line := regexp.MustCompile(`(?m)^\s*(?:require )?` + regexp.QuoteMeta(p.pinned) + ` (v\S+)`)
	match := line.FindSubmatch(content)
	if match == nil {
		return "", fmt.Errorf("%s does not require %s", file, p.pinned)
	}
	return string(match[1]), nil
}

// forgetUnused keeps the cache from growing with every version ever pinned.
func (s *site) forgetUnused() {
	entries, _ := os.ReadDir(s.cache)
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && strings.Contains(entry.Name(), "-") && time.Since(info.ModTime()) > 60*24*time.Hour {
			_ = os.RemoveAll(filepath.Join(s.cache, entry.Name()))
		}
	}
}
