module weftlab

go 1.18
