module kubectl-milvus.example/sandbox/runner

go 1.26.0
