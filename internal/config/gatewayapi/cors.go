package gatewayapi

// CORS says which pages of other origins may use a route.
type CORS struct {
	// AllowOrigins are such as https://shop.example, https://*.shop.example, or
	// "*" for any.
	AllowOrigins     []string `yaml:"allowOrigins"`
	AllowCredentials bool     `yaml:"allowCredentials"`
	AllowMethods     []string `yaml:"allowMethods"`
	AllowHeaders     []string `yaml:"allowHeaders"`
	ExposeHeaders    []string `yaml:"exposeHeaders"`
	// MaxAge is in seconds; nil: 5.
	MaxAge *int32 `yaml:"maxAge" min:"1"`
}
