package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// writeCertificates fills folder with what the parts of a control plane
// identify themselves by. A year is longer than any sandbox lives.
func writeCertificates(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	cluster, err := newAuthority(folder, "ca")
	if err != nil {
		return err
	}
	server := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.ParseIP(serverAddress), net.ParseIP(serviceAddress)},
	}
	if err := cluster.issue("apiserver", server); err != nil {
		return err
	}
	// The server end of the metrics API.
	metrics := &x509.Certificate{
		Subject:     pkix.Name{CommonName: metricsServer},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{metricsServer},
	}
	if err := cluster.issue("metrics", metrics); err != nil {
		return err
	}
	for _, client := range []struct{ name, user, group string }{
		{"admin", "sandbox-admin", "system:masters"},
		{"kube-controller-manager", "system:kube-controller-manager", "system:masters"},
		{"kube-scheduler", "system:kube-scheduler", ""},
		{"kwok", "sandbox-kubelet", "system:masters"},
	} {
		if err := cluster.issue(client.name, clientCertificate(client.user, client.group)); err != nil {
			return err
		}
	}
	front, err := newAuthority(folder, "front-proxy-ca")
	if err != nil {
		return err
	}
	if err := front.issue("front-proxy", clientCertificate("front-proxy-client", "")); err != nil {
		return err
	}
	tokens, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	return writeKey(filepath.Join(folder, "service-account.key"), tokens)
}

type authority struct {
	folder string
	parent *x509.Certificate
	key    *ecdsa.PrivateKey
}

func newAuthority(folder, name string) (*authority, error) {
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "sandbox " + name},
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	a := &authority{folder: folder}
	key, der, err := a.sign(template)
	if err != nil {
		return nil, err
	}
	a.key = key
	if a.parent, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	return a, writePEM(filepath.Join(folder, name+".crt"), "CERTIFICATE", der)
}

func clientCertificate(user, group string) *x509.Certificate {
	subject := pkix.Name{CommonName: user}
	if group != "" {
		subject.Organization = []string{group}
	}
	return &x509.Certificate{Subject: subject, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
}

func (a *authority) issue(name string, template *x509.Certificate) error {
	template.KeyUsage = x509.KeyUsageDigitalSignature
	key, der, err := a.sign(template)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(a.folder, name+".crt"), "CERTIFICATE", der); err != nil {
		return err
	}
	return writeKey(filepath.Join(a.folder, name+".key"), key)
}

// sign makes a key and a certificate for it; the first one signs itself.
func (a *authority) sign(template *x509.Certificate) (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, big.NewInt(1<<62)); err != nil {
		return nil, nil, err
	}
	// Clocks of virtual machines jump; an hour back forgives it.
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().AddDate(1, 0, 0)
	parent, signer := a.parent, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	return key, der, err
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// writeKubeconfig writes the access of one client, its certificate inside, so
// that a copy of the file works anywhere on this machine.
func writeKubeconfig(path, certificates, client, server string) error {
	encoded := map[string]string{}
	for _, name := range []string{"ca.crt", client + ".crt", client + ".key"} {
		content, err := os.ReadFile(filepath.Join(certificates, name))
		if err != nil {
			return err
		}
		encoded[name] = base64.StdEncoding.EncodeToString(content)
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: sandbox
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: sandbox-admin
  user:
    client-certificate-data: %s
    client-key-data: %s
contexts:
- name: sandbox
  context: {cluster: sandbox, user: sandbox-admin, namespace: default}
current-context: sandbox
`, server, encoded["ca.crt"], encoded[client+".crt"], encoded[client+".key"])
	return os.WriteFile(path, []byte(text), 0o600)
}
