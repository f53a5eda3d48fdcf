module homeostat/logic/tests/intervals/alertmanager

go 1.26.0

require (
	github.com/prometheus/alertmanager v0.35.0
	go.yaml.in/yaml/v2 v2.4.4
)
