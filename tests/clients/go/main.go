// Puts, reads, lists, copies and deletes objects with the vendor's COS SDK for Go, whose checks of
// CRC-64 are on, and prints what it saw.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/tencentyun/cos-go-sdk-v5"
)

type connection struct {
	Cloud     string            `json:"cloud"`
	SecretID  string            `json:"secret_id"`
	SecretKey string            `json:"secret_key"`
	Region    string            `json:"region"`
	Buckets   map[string]string `json:"buckets"`
}

var ctx = context.Background()

func must[T any](value T, response *cos.Response, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func client(c connection, bucket string) *cos.Client {
	proxy, err := url.Parse(c.Cloud)
	check(err)
	address, err := url.Parse(fmt.Sprintf("http://%s.cos.%s.myqcloud.com", c.Buckets[bucket], c.Region))
	check(err)
	signed := &cos.AuthorizationTransport{
		SecretID:  c.SecretID,
		SecretKey: c.SecretKey,
		Transport: &http.Transport{Proxy: http.ProxyURL(proxy)},
	}
	return cos.NewClient(&cos.BaseURL{BucketURL: address}, &http.Client{Transport: signed})
}

func read(response *cos.Response, err error) []byte {
	check(err)
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	check(err)
	return data
}

func main() {
	var c connection
	check(json.Unmarshal([]byte(os.Getenv("CONNECTION")), &c))
	results, seen := client(c, "results"), map[string]any{}
	large := bytes.Repeat([]byte("tide "), 700_000)
	check(os.WriteFile("large.bin", large, 0o600))

	response, err := results.Object.Put(ctx, "go/船 1.txt", strings.NewReader("a boat"), nil)
	check(err)
	seen["crc64"] = response.Header.Get("x-cos-hash-crc64ecma")
	seen["text"] = string(read(results.Object.Get(ctx, "go/船 1.txt", nil)))

	parts := &cos.MultiUploadOptions{PartSize: 1, ThreadPoolSize: 2}
	must(results.Object.Upload(ctx, "go/large.bin", "large.bin", parts))
	_, err = results.Object.Download(ctx, "go/large.bin", "back.bin", &cos.MultiDownloadOptions{PartSize: 1})
	check(err)
	back, err := os.ReadFile("back.bin")
	check(err)
	seen["is_whole"] = bytes.Equal(back, large)

	source := fmt.Sprintf("%s/go/large.bin", results.BaseURL.BucketURL.Host)
	must(results.Object.Copy(ctx, "go/copy.bin", source, nil))
	listed := must(results.Bucket.Get(ctx, &cos.BucketGetOptions{Prefix: "go/"}))
	keys := []string{}
	for _, object := range listed.Contents {
		keys = append(keys, object.Key)
	}
	seen["keys"] = keys
	unfinished := must(results.Bucket.ListMultipartUploads(ctx, nil))
	seen["unfinished"] = len(unfinished.Uploads)

	tags := &cos.ObjectPutTaggingOptions{TagSet: []cos.ObjectTaggingTag{{Key: "a", Value: "b"}}}
	_, err = results.Object.PutTagging(ctx, "go/copy.bin", tags)
	check(err)
	tagged := must(results.Object.GetTagging(ctx, "go/copy.bin"))
	seen["tags"] = tagged.TagSet
	seen["owner"] = must(results.Object.GetACL(ctx, "go/copy.bin")).Owner.ID

	signed, err := results.Object.GetPresignedURL(ctx, http.MethodGet, "go/船 1.txt", c.SecretID, c.SecretKey, time.Minute, nil)
	check(err)
	seen["signed"] = signed.String()
	_, err = results.Object.Delete(ctx, "go/copy.bin")
	check(err)
	_, err = results.Object.Head(ctx, "go/copy.bin", nil)
	seen["is_gone"] = cos.IsNotFoundError(err)

	photo, err := base64.StdEncoding.DecodeString(os.Getenv("PHOTO"))
	check(err)
	_, err = client(c, "inbox").Object.Put(ctx, "anime/go.jpg", bytes.NewReader(photo), nil)
	check(err)

	check(json.NewEncoder(os.Stdout).Encode(seen))
}
