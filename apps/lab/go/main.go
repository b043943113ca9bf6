// weft-lab-go: the Go side of the lab: a goroutine per client. It does what
// `weft-lab serve goroutine` does, and takes the same options.
package main

import (
	"flag"
	"fmt"
	"net"
	"os"
	"strconv"
)

func serve(client net.Conn, published, echo bool) {
	defer client.Close()
	size := 4096
	if published {
		size = 1024
	}
	buffer := make([]byte, size)
	for {
		n, err := client.Read(buffer)
		if n > 0 {
			switch {
			case echo:
				if _, err := client.Write(buffer[:n]); err != nil {
					return
				}
			case published:
				fmt.Printf("%q\n", buffer[:n])
			default:
				os.Stdout.Write(buffer[:n])
			}
		}
		if err != nil {
			return
		}
	}
}

func main() {
	host := flag.String("host", "127.0.0.1", "address to listen on")
	network := flag.String("network", "tcp", "tcp, tcp4 or tcp6")
	port := flag.Int("port", 0, "port to listen on; 0: any that is free")
	variant := flag.String("variant", "fair", "fair or as-published")
	echo := flag.Bool("echo", false, "send back what is read instead of printing it")
	flag.Parse()
	listener, err := net.Listen(*network, net.JoinHostPort(*host, strconv.Itoa(*port)))
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, "listening on", listener.Addr())
	for {
		client, err := listener.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, "lab:", err)
			os.Exit(1)
		}
		go serve(client, *variant == "as-published", *echo)
	}
}
