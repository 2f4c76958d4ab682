// SPDX-License-Identifier: LGPL-2.1-or-later

// gorilla/websocket, which LiveKit's egress is built on, as a client: URL SCENARIO MESSAGES
package main

import (
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/gorilla/websocket"
)

func main() {
	url, scenario := os.Args[1], os.Args[2]
	messages, _ := strconv.Atoi(os.Args[3])
	dialer := websocket.Dialer{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		WriteBufferSize: 512, // larger messages are sent in fragments
	}
	if scenario != "fragments" {
		dialer.WriteBufferSize = 1 << 19
	}
	header := http.Header{"Content-Type": []string{"audio/x-raw"}}
	connection, response, err := dialer.Dial(url, header)
	if err != nil {
		if response != nil {
			fmt.Println("status", response.StatusCode)
		}
		return
	}
	closed := make(chan int, 1)
	go func() {
		for {
			if _, _, err := connection.ReadMessage(); err != nil {
				var end *websocket.CloseError
				if errors.As(err, &end) {
					closed <- end.Code
				} else {
					closed <- 0
				}
				return
			}
		}
	}()
	if scenario == "oversize" {
		_ = connection.WriteMessage(websocket.BinaryMessage, make([]byte, 300000))
		fmt.Println("close", <-closed)
		return
	}
	sum := sha256.New()
	for i := 0; i < messages; i++ {
		data := make([]byte, 1920)
		for k := range data {
			data[k] = byte(i*31 + k)
		}
		sum.Write(data)
		writer, _ := connection.NextWriter(websocket.BinaryMessage)
		_, _ = writer.Write(data)
		_ = writer.Close()
	}
	_ = connection.WriteMessage(websocket.TextMessage, []byte(`{"muted":true}`))
	pong := make(chan string, 1)
	connection.SetPongHandler(func(data string) error { pong <- data; return nil })
	deadline := time.Now().Add(10 * time.Second)
	_ = connection.WriteControl(websocket.PingMessage, []byte("ping"), deadline)
	if <-pong != "ping" {
		fmt.Println("wrong pong")
		os.Exit(1)
	}
	body := websocket.FormatCloseMessage(1000, "done")
	_ = connection.WriteControl(websocket.CloseMessage, body, deadline)
	fmt.Printf("sent %x close %d\n", sum.Sum(nil), <-closed)
}
