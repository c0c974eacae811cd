// Answers what an API server asks a kubelet for `kubectl logs`, `exec` and `port-forward`, for pods that are processes of
// this machine: logs are files, commands run on this machine, and ports of a pod are ports of loopback.
// It is written in Go because the protocol of `exec` and `port-forward` exists as a library, virtual-kubelet, only in Go.
//
// Its arguments are the address to listen on, the files of its certificate and key, and a JSON file with the pods.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"

	"github.com/virtual-kubelet/virtual-kubelet/node/api"
)

// pod is what stands for a pod.
type pod struct {
	// Log is the file with what the pod has logged.
	Log string `json:"log"`
	// Ports maps ports of the pod to ports of loopback.
	Ports map[int32]uint16 `json:"ports"`
}

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: kubelet ADDRESS CERTIFICATE KEY PODS")
		os.Exit(2)
	}
	if err := serve(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(address, certificate, key, file string) error {
	find := func(namespace, name string) (pod, error) {
		var pods map[string]pod
		text, err := os.ReadFile(file)
		if err != nil {
			return pod{}, err
		}
		if err := json.Unmarshal(text, &pods); err != nil {
			return pod{}, err
		}
		found, ok := pods[namespace+"/"+name]
		if !ok {
			return pod{}, fmt.Errorf("%s has no pod %s/%s", file, namespace, name)
		}
		return found, nil
	}
	handler := api.PodHandler(api.PodHandlerConfig{
		GetContainerLogs: func(_ context.Context, namespace, name, _ string, options api.ContainerLogOpts) (io.ReadCloser, error) {
			pod, err := find(namespace, name)
			if err != nil {
				return nil, err
			}
			log, err := os.ReadFile(pod.Log)
			if err != nil {
				return nil, err
			}
			return io.NopCloser(bytes.NewReader(tail(log, options.Tail))), nil
		},
		RunInContainer: func(ctx context.Context, namespace, name, _ string, command []string, attached api.AttachIO) error {
			if _, err := find(namespace, name); err != nil {
				return err
			}
			// Every program on this machine can ask, so nothing else is run.
			if command[0] != "pilot-discovery" {
				return fmt.Errorf("%s/%s has no program %s", namespace, name, command[0])
			}
			process := exec.CommandContext(ctx, command[0], command[1:]...)
			process.Stdin, process.Stdout, process.Stderr = attached.Stdin(), attached.Stdout(), attached.Stderr()
			return process.Run()
		},
		PortForward: func(ctx context.Context, namespace, name string, port int32, stream io.ReadWriteCloser) error {
			pod, err := find(namespace, name)
			if err != nil {
				return err
			}
			local, ok := pod.Ports[port]
			if !ok {
				return fmt.Errorf("%s/%s does not listen on port %d", namespace, name, port)
			}
			var dialer net.Dialer
			connection, err := dialer.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", local))
			if err != nil {
				return err
			}
			defer connection.Close()
			go func() { _, _ = io.Copy(connection, stream) }()
			_, err = io.Copy(stream, connection)
			return err
		},
	}, false)
	return http.ListenAndServeTLS(address, certificate, key, handler)
}

// tail returns the last lines of a log, or all of it if the number of lines is 0. The lines have no time, and are at most
// as old as the test, so a limit of their age changes nothing.
func tail(log []byte, lines int) []byte {
	if lines == 0 {
		return log
	}
	from := len(log)
	for ; lines > 0 && from > 0; lines-- {
		from = bytes.LastIndexByte(log[:from-1], '\n') + 1
	}
	return log[from:]
}
